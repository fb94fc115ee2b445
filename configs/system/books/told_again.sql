-- What is told now: since when it was told, where it is what was told, else since now.
SELECT {columns}, CASE WHEN x_was = x_now THEN told_since ELSE @told_at END AS told_since
FROM (
{both}
) AS told, UNNEST(told.x_times) AS x_time
WHERE x_time = 'now'
