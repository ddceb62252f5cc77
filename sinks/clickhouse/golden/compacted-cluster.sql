CREATE TABLE IF NOT EXISTS `weir`.`test_owners_table_local` ON CLUSTER `main`
(
    `id` String,
    `at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `owner` String COMMENT 'Who has it.',
    `_topic` LowCardinality(String) COMMENT 'Topic of the record',
    `_partition` Int32 COMMENT 'Partition of the record',
    `_offset` Int64 COMMENT 'Offset of the record in its partition' CODEC(DoubleDelta, ZSTD(1)),
    `_timestamp` DateTime64(3, 'UTC') COMMENT 'Timestamp of the record in the log' CODEC(Delta, ZSTD(1)),
    `_ce_source` LowCardinality(String) COMMENT 'CloudEvents source, from the headers',
    `_ce_id` String COMMENT 'CloudEvents id, from the headers' CODEC(ZSTD(3)),
    `_deleted` Bool COMMENT 'The record deletes its key (a tombstone): only the key and the audit columns hold values'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/weir/test_owners_table_local', '{replica}')
PARTITION BY toYYYYMMDD(`at`)
ORDER BY (`id`)
TTL toDateTime(`at`) + toIntervalDay(30)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, ttl_only_drop_parts = 1;
CREATE TABLE IF NOT EXISTS `weir`.`test_owners_table` ON CLUSTER `main` AS `weir`.`test_owners_table_local`
ENGINE = Distributed(`main`, `weir`, `test_owners_table_local`, `_partition`);
