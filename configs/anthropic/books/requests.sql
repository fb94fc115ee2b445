-- How many requests were made, where Anthropic tells it.
SELECT usage_date, account, project_id, api_key_id, model_told, service_tier, SUM(requests) AS requests
FROM (
  SELECT
    usage_date,
    source AS account,
    workspace_id AS project_id,
    api_key_id,
    model AS model_told,
    CASE
      WHEN COALESCE(speed, 'standard') <> 'fast' THEN COALESCE(service_tier, 'standard')
      WHEN COALESCE(service_tier, 'standard') = 'standard' THEN 'fast'
      ELSE CONCAT(service_tier, '_fast')
    END AS service_tier,
    requests
  FROM anthropic_usage_daily_raw
  -- of code that ran without a model, spans are counted and no requests
  WHERE usage_date BETWEEN @first AND @last AND told_by = 'analytics' AND model IS NOT NULL
) AS told
GROUP BY usage_date, account, project_id, api_key_id, model_told, service_tier
