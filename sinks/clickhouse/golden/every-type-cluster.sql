CREATE TABLE IF NOT EXISTS `weir`.`test_every_types_local` ON CLUSTER `main`
(
    `id` String COMMENT 'The thing\'s \\ name.',
    `at` DateTime64(3, 'UTC') COMMENT 'When.' CODEC(DoubleDelta, ZSTD(1)),
    `site` LowCardinality(String) DEFAULT 'main',
    `note` LowCardinality(Nullable(String)),
    `state` LowCardinality(String) DEFAULT 'DOWN',
    `small` Nullable(Int32),
    `zero_not_null` Nullable(Int32) DEFAULT 0,
    `large` Int64 DEFAULT -1 CODEC(T64, ZSTD(1)),
    `ratio` Float32 DEFAULT 0.5,
    `rate` Float64 CODEC(Delta, ZSTD(1)),
    `on` Bool DEFAULT true,
    `raw` String,
    `digest` FixedString(4),
    `exact_at` Nullable(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    `price` Decimal(12, 2),
    `uid` UUID,
    `day` Date32,
    `tags` Array(String),
    `counts` Map(String, Int64),
    `states` Array(LowCardinality(Nullable(String))),
    `place_rack` String,
    `place_unit` Nullable(Int32),
    `peer_host` LowCardinality(Nullable(String)),
    `peer_ports` Array(Int32),
    `peer_place_rack` Nullable(String),
    `peer_place_unit` Nullable(Int32),
    `uplink_vlans` Array(Int32),
    `uplink_limits` Map(String, Int64),
    `uplink_host` Nullable(String),
    `steps` Array(Tuple(`name` LowCardinality(String), `ms` Nullable(Float64))),
    `_topic` LowCardinality(String) COMMENT 'Topic of the record',
    `_partition` Int32 COMMENT 'Partition of the record',
    `_offset` Int64 COMMENT 'Offset of the record in its partition' CODEC(DoubleDelta, ZSTD(1)),
    `_timestamp` DateTime64(3, 'UTC') COMMENT 'Timestamp of the record in the log' CODEC(Delta, ZSTD(1)),
    `_ce_source` LowCardinality(String) COMMENT 'CloudEvents source, from the headers',
    `_ce_id` String COMMENT 'CloudEvents id, from the headers' CODEC(ZSTD(3))
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/weir/test_every_types_local', '{replica}')
PARTITION BY toYYYYMM(`at`)
ORDER BY (`site`, `id`, `at`)
TTL toDateTime(`at`) + toIntervalDay(30000)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, ttl_only_drop_parts = 1
COMMENT 'Every type there is; it\'s for tests.';
CREATE TABLE IF NOT EXISTS `weir`.`test_every_types` ON CLUSTER `main` AS `weir`.`test_every_types_local`
ENGINE = Distributed(`main`, `weir`, `test_every_types_local`, `_partition`);
