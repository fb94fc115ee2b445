-- Every token that is told stands in the costs once: those of the console, and of days without them those of the organisation's records.
WITH console AS (
  SELECT DISTINCT source AS account, usage_date FROM {deepseek_usage_daily_raw}
),
measured AS (
  SELECT quantity AS told, 0 AS priced FROM {deepseek_usage_daily_raw} WHERE usage_type <> 'request_count'
  UNION ALL
  SELECT CASE WHEN console.account IS NULL THEN records.quantity ELSE 0 END AS told, 0 AS priced
  FROM {deepseek_records_daily_raw} AS records
  LEFT JOIN console
    ON CONCAT(console.account, ' records') = records.source AND console.usage_date = records.usage_date
  WHERE records.usage_type <> 'request_count'
  UNION ALL
  SELECT 0 AS told, quantity AS priced FROM {deepseek_cost_daily}
)
SELECT
  'tokens used' AS what,
  COALESCE(SUM(CAST(told AS NUMERIC)), 0) AS ours,
  COALESCE(SUM(CAST(priced AS NUMERIC)), 0) AS theirs
FROM measured
