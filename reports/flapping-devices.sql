-- question: Which virtual devices lose their fast path again and again, and which are held on standby for it?
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': only changes of the path from this time on
-- parameter: losses UInt32 default 2: show devices with at least so many losses, and every one that was suppressed
-- column: device_id: virtual device
-- column: vm_id: VM
-- column: losses: times that data had to move from primary to standby, migrations included
-- column: largest_penalty: largest flap penalty (RFC 2439) at a change of the path
-- column: times_suppressed: times that a return to primary was suppressed
-- column: held_now: whether it has not been back on primary since it was last suppressed
-- column: last_reason: reason of the last change
-- column: last_at: time of the last change
SELECT
    t.device_id AS device_id,
    argMax(t.vm_id, t.at) AS vm_id,
    countIf(t.from = 'primary' AND t.to = 'standby') AS losses,
    round(max(t.flap_penalty)) AS largest_penalty,
    any(s.times) AS times_suppressed,
    toBool(times_suppressed > 0 AND any(s.last_at) > maxIf(t.at, t.to = 'primary')) AS held_now,
    argMax(t.reason, (t.at, t.path_epoch)) AS last_reason,
    max(t.at) AS last_at
FROM migration_transitions AS t
LEFT JOIN
(
    SELECT device_id, count() AS times, max(at) AS last_at
    FROM migration_alerts
    WHERE kind = 'flapping' AND at >= {since:DateTime64(3)}
    GROUP BY device_id
) AS s ON s.device_id = t.device_id
WHERE t.at >= {since:DateTime64(3)}
GROUP BY device_id
HAVING losses >= {losses:UInt32} OR times_suppressed > 0
ORDER BY times_suppressed DESC, largest_penalty DESC, losses DESC, device_id
