-- question: How long was each virtual device on its standby path?
-- parameter: vm String default '': only this VM; empty for all
-- parameter: since DateTime64(3) default '1970-01-01 00:00:00.000': count from this time on
-- column: vm_id: VM
-- column: device_id: virtual device
-- column: standby_seconds: time on standby, seconds; an interval still open counts up to the last event of any device
-- column: observed_seconds: time since the device's first decision, seconds
-- column: standby_share: share of that time, 0 to 1
-- column: moves_to_standby: times that data moved to standby
-- column: longest_seconds: longest stay on standby, seconds
-- column: path: path at the end
WITH
    -- A scalar subquery is nullable, and sums over nullable values of no rows are null.
    assumeNotNull((SELECT max(newest_at) FROM migration_newest_events)) AS last_event
SELECT
    argMax(vm_id, began) AS vm_id,
    device_id,
    sumIf(seconds, path_name = 'standby') AS standby_seconds,
    sum(seconds) AS observed_seconds,
    if(observed_seconds = 0, 0, round(standby_seconds / observed_seconds, 3)) AS standby_share,
    countIf(path_name = 'standby' AND at >= {since:DateTime64(3)}) AS moves_to_standby,
    maxIf(seconds, path_name = 'standby') AS longest_seconds,
    argMax(path_name, (at, path_epoch)) AS path
FROM
(
    SELECT
        device_id,
        vm_id,
        path_name,
        path_epoch,
        at,
        greatest(at, {since:DateTime64(3)}) AS began,
        greatest(if(is_last, greatest(last_event, at), next_at), began) AS ended,
        dateDiff('millisecond', began, ended) / 1000 AS seconds
    FROM
    (
        SELECT
            device_id,
            vm_id,
            toString(`to`) AS path_name,
            path_epoch,
            at,
            leadInFrame(at) OVER following AS next_at,
            count() OVER following = 1 AS is_last
        FROM migration_transitions
        WINDOW following AS
            (PARTITION BY device_id ORDER BY at, path_epoch ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
    )
)
GROUP BY device_id
HAVING {vm:String} = '' OR vm_id = {vm:String}
ORDER BY standby_seconds DESC, device_id
