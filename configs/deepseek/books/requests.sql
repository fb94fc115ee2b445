-- How many requests are told, by day, key and model: by the console, and of days without it by the organisation's records.
SELECT
  usage_date,
  source AS account,
  CAST(NULL AS STRING) AS project_id,
  NULLIF(ARRAY_TO_STRING([api_key_name, api_key], ' '), '') AS api_key_id,
  model AS model_told,
  'standard' AS service_tier,
  SUM(quantity) AS requests
FROM deepseek_usage_daily_raw
WHERE usage_date BETWEEN @first AND @last AND usage_type = 'request_count'
GROUP BY usage_date, source, api_key_name, api_key, model
UNION ALL
SELECT
  records.usage_date,
  REGEXP_REPLACE(records.source, r' records$', '') AS account,
  CAST(NULL AS STRING) AS project_id,
  CAST(NULL AS STRING) AS api_key_id,
  records.model AS model_told,
  'standard' AS service_tier,
  SUM(records.quantity) AS requests
FROM deepseek_records_daily_raw AS records
LEFT JOIN (SELECT DISTINCT source, usage_date FROM deepseek_usage_daily_raw WHERE usage_date BETWEEN @first AND @last) AS console
  ON CONCAT(console.source, ' records') = records.source AND console.usage_date = records.usage_date
WHERE records.usage_date BETWEEN @first AND @last AND records.usage_type = 'request_count' AND console.source IS NULL
GROUP BY records.usage_date, records.source, records.model
