-- question: What was forecast for each moment, and what came?
-- parameter: device String default '': only this device_id; empty for all
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': only bins from this time on
-- parameter: rows UInt32 default 1000: newest rows, at most
-- column: device_id: host and device, and the application for its share of a device
-- column: for_time: start of the bin
-- column: predicted: forecast rate, bytes per second
-- column: lower: lower end of the interval, bytes per second
-- column: upper: upper end, bytes per second; null if it was not bounded
-- column: actual: actual rate, bytes per second; null while the bin is not over, or where it was not observed
-- column: covered: whether the interval held; one that was not bounded always does, and proves nothing; null without an actual rate
-- column: method: forecasting method: maximum (in the first 5 bins the largest rate so far, too high on purpose), exponential_smoothing (until two seasons are known), then holt_winters
SELECT
    p.device_id AS device_id,
    p.for_time AS for_time,
    p.rate AS predicted,
    p.lower AS lower,
    p.upper AS upper,
    if(e.device_id = '', NULL, e.actual) AS actual,
    if(e.device_id = '', NULL, e.covered) AS covered,
    p.method AS method
FROM failover_predictions AS p
LEFT JOIN failover_evaluations AS e
    ON e.device_id = p.device_id AND e.for_time = p.for_time AND e.bin_ms = p.bin_ms
WHERE ({device:String} = '' OR p.device_id = {device:String}) AND p.for_time >= {since:DateTime64(3)}
ORDER BY for_time DESC, device_id
LIMIT {rows:UInt32}
