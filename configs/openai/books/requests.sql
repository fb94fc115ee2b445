-- How many requests were made to OpenAI's models, of the reports that count them; the costs call asks it.
SELECT
  usage_date,
  source AS account,
  project_id,
  api_key_id,
  model AS model_told,
  CASE
    WHEN batch THEN 'batch'
    WHEN COALESCE(service_tier, '') IN ('', 'default', 'auto', 'scale') THEN 'standard'
    ELSE service_tier
  END AS service_tier,
  num_model_requests AS requests
FROM openai_usage_daily_raw
WHERE usage_date BETWEEN @first AND @last AND num_model_requests IS NOT NULL
