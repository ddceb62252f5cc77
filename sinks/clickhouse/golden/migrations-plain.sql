CREATE TABLE IF NOT EXISTS `weir`.migration_newest_events
(
    `device_id` String COMMENT 'Virtual device',
    `newest_at` SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'Time of its newest event: a link state or a transition'
)
ENGINE = AggregatingMergeTree
ORDER BY `device_id`
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Newest event of each virtual device; several rows for one until they are merged, so take max(newest_at)';

CREATE MATERIALIZED VIEW IF NOT EXISTS `weir`.migration_newest_link_states_mv
TO `weir`.migration_newest_events
AS SELECT device_id, max(observed_at) AS newest_at FROM `weir`.migration_link_states
GROUP BY device_id;

CREATE MATERIALIZED VIEW IF NOT EXISTS `weir`.migration_newest_transitions_mv
TO `weir`.migration_newest_events
AS SELECT device_id, max(at) AS newest_at FROM `weir`.migration_transitions GROUP BY device_id;

INSERT INTO `weir`.migration_newest_events
SELECT device_id, max(observed_at) AS newest_at FROM `weir`.migration_link_states GROUP BY device_id;

INSERT INTO `weir`.migration_newest_events
SELECT device_id, max(at) AS newest_at FROM `weir`.migration_transitions GROUP BY device_id;

CREATE TABLE IF NOT EXISTS `weir`.migration_device_path_rows
(
    `device_id` String COMMENT 'Virtual device',
    `vm_id` String COMMENT 'Its VM',
    `path` LowCardinality(String) COMMENT 'primary or standby',
    `path_epoch` Int64 COMMENT 'Epoch of the decision',
    `reason` String COMMENT 'Why it is there, in words',
    `since` DateTime64(3, 'UTC') COMMENT 'Since when',
    `_partition` Int32 COMMENT 'Partition of the transition',
    `offset` UInt64 COMMENT 'Offset of the transition'
)
ENGINE = ReplacingMergeTree(`offset`)
ORDER BY `device_id`
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Newest transition of each virtual device; older ones until they are merged: read migration_device_paths';

CREATE MATERIALIZED VIEW IF NOT EXISTS `weir`.migration_device_paths_mv
TO `weir`.migration_device_path_rows
AS SELECT device_id, vm_id, toString(`to`) AS path, path_epoch, reason, at AS since, _partition, toUInt64(_offset) AS offset
FROM `weir`.migration_transitions;

INSERT INTO `weir`.migration_device_path_rows
SELECT device_id, vm_id, toString(`to`) AS path, path_epoch, reason, at AS since, _partition, toUInt64(_offset) AS offset
FROM `weir`.migration_transitions
ORDER BY device_id, _offset DESC LIMIT 1 BY device_id;

CREATE OR REPLACE VIEW `weir`.migration_device_paths
AS SELECT device_id, vm_id, path, path_epoch, reason, since FROM `weir`.migration_device_path_rows FINAL;

CREATE OR REPLACE DICTIONARY `weir`.migration_device_paths_dictionary
(
    `device_id` String,
    `vm_id` String,
    `path` String DEFAULT 'none',
    `path_epoch` Int64,
    `reason` String,
    `since` DateTime64(3, 'UTC')
)
PRIMARY KEY `device_id`
SOURCE(CLICKHOUSE(TABLE 'migration_device_paths' DB 'weir'))
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(MIN 5 MAX 10)
COMMENT 'Path of each virtual device, looked up in memory; up to 10 s old';

CREATE OR REPLACE VIEW `weir`.weir_newest_schemas
AS SELECT
    fingerprint,
    argMax(name, _offset) AS name,
    argMax(schema, _offset) AS schema,
    max(announced_at) AS announced_at
FROM `weir`.weir_schemas
GROUP BY fingerprint
HAVING NOT argMax(_deleted, _offset);

CREATE OR REPLACE DICTIONARY `weir`.weir_schemas_dictionary
(
    `fingerprint` String,
    `name` String DEFAULT 'unknown',
    `schema` String
)
PRIMARY KEY `fingerprint`
SOURCE(CLICKHOUSE(TABLE 'weir_newest_schemas' DB 'weir'))
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(MIN 5 MAX 10)
COMMENT 'Schemas by fingerprint, looked up in memory; up to 10 s old';
