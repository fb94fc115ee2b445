-- Every token that is told stands in the costs once, and what is no token is counted as it was told.
WITH measured AS (
  SELECT quantity AS told, 0 AS priced FROM {deepseek_usage_daily_raw} WHERE usage_type <> 'request_count'
  UNION ALL
  SELECT 0 AS told, quantity AS priced FROM {deepseek_cost_daily}
)
SELECT
  'tokens used' AS what,
  COALESCE(SUM(CAST(told AS NUMERIC)), 0) AS ours,
  COALESCE(SUM(CAST(priced AS NUMERIC)), 0) AS theirs
FROM measured
