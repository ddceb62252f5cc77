-- question: How long were VMs stopped by their migrations (p50, p99), and was it as forecast?
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': only migrations that ended from this time on
-- column: target_node: node migrated to; `all` for all of them together
-- column: migrations: completed migrations
-- column: measured: of these, those whose downtime is known
-- column: downtime_p50_ms: median downtime, milliseconds; null where none is known
-- column: downtime_p99_ms: 99th percentile, milliseconds
-- column: downtime_max_ms: longest, milliseconds
-- column: forecast_p50_ms: median of what pre-copy forecast, milliseconds; null without forecasts
SELECT
    if(grouping(node) = 1, 'all', node) AS target_node,
    count() AS migrations,
    countIf(isNotNull(downtime_ms)) AS measured,
    if(measured = 0, NULL, quantileExactIf(0.5)(assumeNotNull(downtime_ms), isNotNull(downtime_ms))) AS downtime_p50_ms,
    if(measured = 0, NULL, quantileExactIf(0.99)(assumeNotNull(downtime_ms), isNotNull(downtime_ms))) AS downtime_p99_ms,
    max(downtime_ms) AS downtime_max_ms,
    if(countIf(isNotNull(expected_downtime_ms)) = 0, NULL,
        quantileExactIf(0.5)(assumeNotNull(expected_downtime_ms), isNotNull(expected_downtime_ms))) AS forecast_p50_ms
FROM
(
    SELECT toString(target_node) AS node, downtime_ms, expected_downtime_ms
    FROM migration_outcomes
    WHERE outcome = 'completed' AND ended_at >= {since:DateTime64(3)}
)
GROUP BY GROUPING SETS ((node), ())
HAVING migrations > 0
ORDER BY grouping(node) DESC, target_node
