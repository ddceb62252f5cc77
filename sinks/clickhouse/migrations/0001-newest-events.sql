-- The time of the newest event of each virtual device: what reports take for the present moment. One row for each device,
-- where the report before had to read the time of every event there is. The largest of two equal rows is the same row, so
-- a repeated insert, and the inserts below beside rows that the views have brought already, change nothing.
CREATE TABLE IF NOT EXISTS {database}.migration_newest_events{local}{on_cluster}
(
    `device_id` String COMMENT 'Virtual device',
    `newest_at` SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'Time of its newest event: a link state or a transition'
)
ENGINE = {replicated}AggregatingMergeTree
ORDER BY `device_id`
SETTINGS {window}
COMMENT 'Newest event of each virtual device; several rows for one until they are merged, so take max(newest_at)';

{distributed migration_newest_events BY cityHash64(`device_id`)};

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.migration_newest_link_states_mv{on_cluster}
TO {database}.migration_newest_events{local}
AS SELECT device_id, max(observed_at) AS newest_at FROM {database}.migration_link_states{local}
GROUP BY device_id;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.migration_newest_transitions_mv{on_cluster}
TO {database}.migration_newest_events{local}
AS SELECT device_id, max(at) AS newest_at FROM {database}.migration_transitions{local} GROUP BY device_id;

INSERT INTO {database}.migration_newest_events
SELECT device_id, max(observed_at) AS newest_at FROM {database}.migration_link_states GROUP BY device_id;

INSERT INTO {database}.migration_newest_events
SELECT device_id, max(at) AS newest_at FROM {database}.migration_transitions GROUP BY device_id;
