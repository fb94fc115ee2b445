-- Each row once, with every time it was told and is told now. Rows that are alike were told at once, so one moment stands for all.
SELECT
  {columns},
  MIN(told_since) AS told_since,
  COUNTIF(superseded_by = 'was') AS x_was,
  COUNTIF(superseded_by = 'now') AS x_now,
  ARRAY_AGG(superseded_by) AS x_times
FROM {before}
WHERE usage_date BETWEEN @first AND @last AND usage_date IN UNNEST(@days) AND superseded_by IN ('was', 'now')
GROUP BY {columns}
