CREATE TABLE IF NOT EXISTS `weir`.migration_newest_events_local ON CLUSTER `main`
(
    `device_id` String COMMENT 'Virtual device',
    `newest_at` SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'Time of its newest event: a link state or a transition'
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/weir/migration_newest_events_local', '{replica}')
ORDER BY `device_id`
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800
COMMENT 'Newest event of each virtual device; several rows for one until they are merged, so take max(newest_at)';

CREATE TABLE IF NOT EXISTS `weir`.`migration_newest_events` ON CLUSTER `main` AS `weir`.`migration_newest_events_local`
ENGINE = Distributed(`main`, `weir`, `migration_newest_events_local`, cityHash64(`device_id`));

CREATE MATERIALIZED VIEW IF NOT EXISTS `weir`.migration_newest_link_states_mv ON CLUSTER `main`
TO `weir`.migration_newest_events_local
AS SELECT device_id, max(observed_at) AS newest_at FROM `weir`.migration_link_states_local
GROUP BY device_id;

CREATE MATERIALIZED VIEW IF NOT EXISTS `weir`.migration_newest_transitions_mv ON CLUSTER `main`
TO `weir`.migration_newest_events_local
AS SELECT device_id, max(at) AS newest_at FROM `weir`.migration_transitions_local GROUP BY device_id;

INSERT INTO `weir`.migration_newest_events
SELECT device_id, max(observed_at) AS newest_at FROM `weir`.migration_link_states GROUP BY device_id;

INSERT INTO `weir`.migration_newest_events
SELECT device_id, max(at) AS newest_at FROM `weir`.migration_transitions GROUP BY device_id;

CREATE TABLE IF NOT EXISTS `weir`.migration_device_path_rows_local ON CLUSTER `main`
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/weir/migration_device_path_rows_local', '{replica}', `offset`)
ORDER BY `device_id`
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800
COMMENT 'Newest transition of each virtual device; older ones until they are merged: read migration_device_paths';

CREATE TABLE IF NOT EXISTS `weir`.`migration_device_path_rows` ON CLUSTER `main` AS `weir`.`migration_device_path_rows_local`
ENGINE = Distributed(`main`, `weir`, `migration_device_path_rows_local`, `_partition`);

CREATE MATERIALIZED VIEW IF NOT EXISTS `weir`.migration_device_paths_mv ON CLUSTER `main`
TO `weir`.migration_device_path_rows_local
AS SELECT device_id, vm_id, toString(`to`) AS path, path_epoch, reason, at AS since, _partition, toUInt64(_offset) AS offset
FROM `weir`.migration_transitions_local;

INSERT INTO `weir`.migration_device_path_rows
SELECT device_id, vm_id, toString(`to`) AS path, path_epoch, reason, at AS since, _partition, toUInt64(_offset) AS offset
FROM `weir`.migration_transitions
ORDER BY device_id, _offset DESC LIMIT 1 BY device_id;

CREATE OR REPLACE VIEW `weir`.migration_device_paths ON CLUSTER `main`
AS SELECT device_id, vm_id, path, path_epoch, reason, since FROM `weir`.migration_device_path_rows FINAL;

CREATE OR REPLACE DICTIONARY `weir`.migration_device_paths_dictionary ON CLUSTER `main`
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

CREATE OR REPLACE VIEW `weir`.weir_newest_schemas ON CLUSTER `main`
AS SELECT
    fingerprint,
    argMax(name, _offset) AS name,
    argMax(schema, _offset) AS schema,
    max(announced_at) AS announced_at
FROM `weir`.weir_schemas
GROUP BY fingerprint
HAVING NOT argMax(_deleted, _offset);

CREATE OR REPLACE DICTIONARY `weir`.weir_schemas_dictionary ON CLUSTER `main`
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
