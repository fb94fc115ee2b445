SELECT
  CAST(NULL AS STRING) AS provider,
  CAST(NULL AS DATE) AS usage_date,
  CAST(NULL AS STRING) AS account,
  CAST(NULL AS STRING) AS project_id,
  CAST(NULL AS STRING) AS api_key_id,
  CAST(NULL AS STRING) AS spelled_model,
  CAST(NULL AS STRING) AS service_tier,
  CAST(NULL AS INT64) AS requests
LIMIT 0
