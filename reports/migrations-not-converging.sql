-- question: Which migrations were predicted not to converge, and what became of them?
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': only warnings from this time on
-- column: warned_at: when the warning was given
-- column: migration_uid: migration
-- column: device_id: virtual device
-- column: vm_id: VM
-- column: why: dirty rate and bandwidth, in words
-- column: outcome: how it ended; `under way` while it has not
-- column: seconds_to_end: from the warning to the end, seconds; null while it has not ended
-- column: downtime_ms: downtime, milliseconds; null where it is not known
SELECT
    a.at AS warned_at,
    a.migration_uid AS migration_uid,
    a.device_id AS device_id,
    a.vm_id AS vm_id,
    a.detail AS why,
    if(o.migration_uid = '', 'under way', toString(o.outcome)) AS outcome,
    if(o.migration_uid = '', NULL, dateDiff('millisecond', a.at, o.ended_at) / 1000) AS seconds_to_end,
    o.downtime_ms AS downtime_ms
FROM
(
    SELECT *, assumeNotNull(migration_uid) AS uid
    FROM migration_alerts
    WHERE kind = 'will_not_converge' AND at >= {since:DateTime64(3)}
) AS a
LEFT JOIN migration_outcomes AS o ON o.device_id = a.device_id AND o.migration_uid = a.uid
ORDER BY warned_at DESC, migration_uid
