-- question: What bandwidth does replication of each device need for its recovery point objective, always and at 90 % of the time?
-- parameter: device String default '': only this device_id; empty for all
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': only windows that end after this time
-- column: device_id: host and device, and the application for its share of a device
-- column: app: application, or the host for whole-device statistics
-- column: basis: unique (bytes at distinct addresses) or written (all bytes written: an upper bound)
-- column: rpo_seconds: recovery point objective, seconds
-- column: bandwidth_100: least bandwidth that met it at all times in every window, bytes per second
-- column: bandwidth_90: least bandwidth that met it at 90 % of the time in every window of window_seconds, bytes per second; null while these have fewer than 10 bins, of which 90 % is all
-- column: saving: share of bandwidth_100 that bandwidth_90 does without, 0 to 1; null where bandwidth_90 is
-- column: peak_rate: largest rate of a bin, bytes per second
-- column: mean_rate: mean rate over the windows, bytes per second
-- column: windows: windows looked at; they overlap
-- column: window_seconds: length of the device's longest windows, seconds: bandwidth_90 is from these alone, for in the short windows of a beginning one burst is more than 10 % of the time; a burst that is longer is not seen whole
-- column: missing_share: share of the windows' bins without samples, 0 to 1
WITH max((n.bins * n.bin_ms, n.bandwidth_90, n.bins)) AS longest
SELECT
    device_id,
    any(app) AS app,
    basis,
    rpo_target_ms / 1000 AS rpo_seconds,
    round(max(bandwidth_100)) AS bandwidth_100,
    if(longest.3 < 10, NULL, round(longest.2)) AS bandwidth_90,
    if(bandwidth_100 = 0, 0, round(1 - bandwidth_90 / bandwidth_100, 3)) AS saving,
    round(max(peak_rate)) AS peak_rate,
    round(sum(written_bytes) / sum(bins * bin_ms / 1000)) AS mean_rate,
    count() AS windows,
    longest.1 / 1000 AS window_seconds,
    round(sum(missing_bins) / sum(bins), 3) AS missing_share
FROM failover_replication_needs AS n
WHERE ({device:String} = '' OR device_id = {device:String}) AND window_end > {since:DateTime64(3)}
GROUP BY device_id, basis, rpo_target_ms
ORDER BY bandwidth_100 DESC, device_id
