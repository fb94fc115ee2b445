-- How many requests the console tells, by day, key and model.
SELECT
  usage_date,
  source AS account,
  CAST(NULL AS STRING) AS project_id,
  ARRAY_TO_STRING([api_key_name, api_key], ' ') AS api_key_id,
  model AS model_told,
  'standard' AS service_tier,
  SUM(quantity) AS requests
FROM deepseek_usage_daily_raw
WHERE usage_date BETWEEN @first AND @last AND usage_type = 'request_count'
GROUP BY usage_date, source, api_key_name, api_key, model
