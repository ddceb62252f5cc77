-- question: What recovery point would each device have attained over its link, and how often and how long was it missed?
-- parameter: device String default '': only this device_id; empty for all
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': only rows after this time
-- column: device_id: host and device, and the application for its share of a device
-- column: app: application, or the host for whole-device statistics
-- column: bandwidth: bandwidth of the link that is assumed, bytes per second
-- column: rpo_seconds: recovery point objective, seconds
-- column: attained_seconds: largest age of the oldest unsent byte, seconds
-- column: at_least: whether that age is only a lower bound
-- column: violation_seconds: time in violation, seconds
-- column: violation_share: share of the time in violation, 0 to 1
-- column: longest_seconds: longest violation, seconds
-- column: queue_bytes: unsent bytes at the end, bytes
SELECT
    device_id,
    any(app) AS app,
    bandwidth,
    rpo_target_ms / 1000 AS rpo_seconds,
    max(attained_rpo_ms) / 1000 AS attained_seconds,
    max(rpo_beyond_window) AS at_least,
    sum(violation_bins * bin_ms) / 1000 AS violation_seconds,
    round(sum(violation_bins) / sum(step_bins), 3) AS violation_share,
    max(longest_violation_ms) / 1000 AS longest_seconds,
    round(argMax(queue_bytes, window_end)) AS queue_bytes
FROM failover_replication_needs
WHERE ({device:String} = '' OR device_id = {device:String}) AND window_end > {since:DateTime64(3)}
GROUP BY device_id, bandwidth, rpo_target_ms
ORDER BY violation_seconds DESC, attained_seconds DESC, device_id
