-- question: How well was each device's I/O rate predicted: what was forecast, what came, and how often the interval held?
-- parameter: device String default '': only this device_id; empty for all
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': only bins from this time on
-- column: device_id: host and device, and the application for its share of a device
-- column: app: application, or the host for whole-device statistics
-- column: method: forecasting method in use: maximum (in the first 5 bins the largest rate so far, too high on purpose), exponential_smoothing (until two seasons are known: 2 minutes by default), then holt_winters
-- column: bins: forecasts whose bin (1 s by default) was observed; figures from fewer than some 30 say little
-- column: actual_rate: mean actual rate, bytes per second
-- column: predicted_rate: mean forecast rate, bytes per second
-- column: mean_absolute_error: mean distance between the two, bytes per second
-- column: coverage: share of bounded intervals that held, 0 to 1; null where none was bounded; comes near to `promised` over hundreds of bins
-- column: promised: share that was promised, 0 to 1
-- column: unbounded: forecasts without an upper end, for too few errors were known (9 are needed for 0.9) or so many intervals had failed lately that no width would keep the promise; they do not count for coverage
SELECT
    e.device_id AS device_id,
    any(e.app) AS app,
    e.method AS method,
    count() AS bins,
    round(avg(e.actual)) AS actual_rate,
    round(avg(e.predicted)) AS predicted_rate,
    round(avg(abs(e.actual - e.predicted))) AS mean_absolute_error,
    if(countIf(e.bounded) = 0, NULL, round(countIf(e.bounded AND e.covered) / countIf(e.bounded), 3)) AS coverage,
    any(p.target_coverage) AS promised,
    countIf(NOT e.bounded) AS unbounded
FROM failover_evaluations AS e
INNER JOIN failover_predictions AS p
    ON p.device_id = e.device_id AND p.for_time = e.for_time AND p.bin_ms = e.bin_ms
WHERE ({device:String} = '' OR e.device_id = {device:String}) AND e.for_time >= {since:DateTime64(3)}
GROUP BY device_id, method
ORDER BY actual_rate DESC, device_id, method
