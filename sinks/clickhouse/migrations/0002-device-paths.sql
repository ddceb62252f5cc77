-- On which path each virtual device is: the newest transition of each, also where the transition itself has expired.
-- Of the rows of a device that with the largest offset stays: all are of one partition, in the order of its events.
CREATE TABLE IF NOT EXISTS {database}.migration_device_path_rows{local}{on_cluster}
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
ENGINE = {replicated}ReplacingMergeTree(`offset`)
ORDER BY `device_id`
SETTINGS {window}
COMMENT 'Newest transition of each virtual device; older ones until they are merged: read migration_device_paths';

{distributed migration_device_path_rows BY `_partition`};

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.migration_device_paths_mv{on_cluster}
TO {database}.migration_device_path_rows{local}
AS SELECT device_id, vm_id, toString(`to`) AS path, path_epoch, reason, at AS since, _partition, toUInt64(_offset) AS offset
FROM {database}.migration_transitions{local};

INSERT INTO {database}.migration_device_path_rows
SELECT device_id, vm_id, toString(`to`) AS path, path_epoch, reason, at AS since, _partition, toUInt64(_offset) AS offset
FROM {database}.migration_transitions
ORDER BY device_id, _offset DESC LIMIT 1 BY device_id;

CREATE OR REPLACE VIEW {database}.migration_device_paths{on_cluster}
AS SELECT device_id, vm_id, path, path_epoch, reason, since FROM {database}.migration_device_path_rows FINAL;

CREATE OR REPLACE DICTIONARY {database}.migration_device_paths_dictionary{on_cluster}
(
    `device_id` String,
    `vm_id` String,
    `path` String DEFAULT 'none',
    `path_epoch` Int64,
    `reason` String,
    `since` DateTime64(3, 'UTC')
)
PRIMARY KEY `device_id`
SOURCE({dictionary_source migration_device_paths})
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(MIN 5 MAX 10)
COMMENT 'Path of each virtual device, looked up in memory; up to 10 s old';
