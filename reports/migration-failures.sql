-- question: Which migrations did not complete, and why?
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': only migrations that ended from this time on
-- column: outcome: failed, cancelled or abandoned
-- column: reason: why
-- column: migrations: how many
-- column: share: share of all migrations that ended, 0 to 1
-- column: predicted: of these, those whose pre-copy was forecast not to converge
-- column: last_at: the last one
-- column: last_device: its device
SELECT
    toString(outcome) AS outcome,
    reason,
    count() AS migrations,
    round(migrations / (SELECT count() FROM migration_outcomes WHERE ended_at >= {since:DateTime64(3)}), 3) AS share,
    countIf(predicted_to_converge = 'no') AS predicted,
    max(ended_at) AS last_at,
    argMax(device_id, ended_at) AS last_device
FROM migration_outcomes
WHERE outcome != 'completed' AND ended_at >= {since:DateTime64(3)}
GROUP BY outcome, reason
ORDER BY migrations DESC, reason
