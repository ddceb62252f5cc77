-- question: Which devices' telemetry fell silent, when, and for how long?
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': only silences suspected from this time on
-- column: device_id: host and device, and the application for its share of a device
-- column: suspected_at: when the silence became suspect
-- column: silent_since: time of the last sample before
-- column: back_at: when samples came again; null while it is silent
-- column: silent_seconds: length of the silence, seconds; null while it goes on
-- column: usual_seconds: mean interval of its samples before, seconds
SELECT
    device_id,
    suspected_at,
    silent_since,
    if(next_state = 'trusted', next_at, NULL) AS back_at,
    if(next_state = 'trusted', dateDiff('millisecond', silent_since, next_at) / 1000, NULL) AS silent_seconds,
    usual_seconds
FROM
(
    SELECT
        device_id,
        toString(state) AS state_name,
        at AS suspected_at,
        subtractMilliseconds(at, silent_ms) AS silent_since,
        mean_interval_ms / 1000 AS usual_seconds,
        leadInFrame(toString(state)) OVER following AS next_state,
        leadInFrame(at) OVER following AS next_at
    FROM failover_suspicions
    WINDOW following AS (PARTITION BY device_id ORDER BY at ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
)
WHERE state_name = 'suspected' AND suspected_at >= {since:DateTime64(3)}
ORDER BY suspected_at DESC, device_id
