-- The days of which anything is told now that was not, or not as often, or is told no more.
SELECT DISTINCT usage_date
FROM (
  SELECT {columns}
  FROM (
    SELECT {columns}, 1 AS x_was, 0 AS x_now FROM {derived}
    WHERE usage_date BETWEEN @first AND @last AND usage_date IN UNNEST(@days)
    UNION ALL
    SELECT {columns}, 0 AS x_was, 1 AS x_now FROM {before}
    WHERE usage_date BETWEEN @first AND @last AND superseded_by = 'now'
  ) AS told
  GROUP BY {columns}
  HAVING SUM(x_was) != SUM(x_now)
) AS changed
