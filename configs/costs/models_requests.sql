-- One provider's number of requests, where it tells one.
SELECT
  'asked_provider' AS provider,
  usage_date,
  account,
  project_id,
  api_key_id,
  LOWER(TRIM(model_told)) AS spelled_model,
  service_tier,
  requests
FROM (
asked_requests
) AS told
