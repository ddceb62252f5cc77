-- question: Were commands to virtual devices carried out, how quickly, and which were never acknowledged?
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': only commands first issued from this time on
-- column: path: path that the command switches to
-- column: outcome: applied, rejected_stale, failed (the last answer), or `unacknowledged`
-- column: commands: how many
-- column: repeated: of these, those that were issued more than once
-- column: latency_p50_ms: median time from the first issue to the last answer, milliseconds; null without answers
-- column: latency_p99_ms: 99th percentile, milliseconds
SELECT
    c.path AS path,
    if(a.command_id = '', 'unacknowledged', a.outcome_name) AS outcome,
    count() AS commands,
    countIf(c.attempts > 1) AS repeated,
    if(outcome = 'unacknowledged', NULL, quantileExact(0.5)(dateDiff('millisecond', c.first_at, a.last_at))) AS latency_p50_ms,
    if(outcome = 'unacknowledged', NULL, quantileExact(0.99)(dateDiff('millisecond', c.first_at, a.last_at))) AS latency_p99_ms
FROM
(
    SELECT command_id, toString(any(`to`)) AS path, min(issued_at) AS first_at, max(attempt) AS attempts
    FROM migration_commands
    GROUP BY command_id
) AS c
LEFT JOIN
(
    SELECT command_id, toString(argMax(outcome, at)) AS outcome_name, max(at) AS last_at
    FROM migration_acknowledgements
    GROUP BY command_id
) AS a ON a.command_id = c.command_id
WHERE c.first_at >= {since:DateTime64(3)}
GROUP BY path, outcome
ORDER BY path, outcome
