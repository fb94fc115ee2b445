-- What was told and is not told now, or not as often.
SELECT {columns}, told_since, @told_at AS told_until, @run_id AS superseded_by
FROM (
{both}
) AS told, UNNEST(told.x_times) AS x_time
WHERE x_time = 'was' AND x_was != x_now
