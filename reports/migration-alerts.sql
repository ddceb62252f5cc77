-- question: What went wrong with virtual devices and their migrations, by kind?
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': only alerts from this time on
-- column: kind: kind of alert; docs/migration.md explains each
-- column: severity: info, warning or critical
-- column: alerts: how many
-- column: devices: devices concerned
-- column: last_at: the last one
-- column: last_device: its device
-- column: last_detail: what it said
SELECT
    toString(kind) AS kind,
    toString(severity) AS severity,
    count() AS alerts,
    uniqExact(device_id) AS devices,
    max(at) AS last_at,
    argMax(device_id, at) AS last_device,
    argMax(detail, at) AS last_detail
FROM migration_alerts
WHERE at >= {since:DateTime64(3)}
GROUP BY kind, severity
ORDER BY transform(severity, ['critical', 'warning', 'info'], [0, 1, 2], 3), alerts DESC, kind
