-- Lines of the cost report in common words.
SELECT
  usage_date,
  REGEXP_REPLACE(source, r' costs$', '') AS account,
  workspace_id AS project_id,
  api_key_id,
  told_by = 'analytics' AS by_key,
  COALESCE(description, ARRAY_TO_STRING([cost_type, token_type, model], ' '), '') AS said,
  CASE WHEN cost_type = 'web_search' THEN 'web-search' WHEN COALESCE(cost_type, 'tokens') = 'tokens' THEN model END AS model_told,
  CASE
    WHEN cost_type = 'web_search' THEN 'call'
    WHEN COALESCE(cost_type, 'tokens') <> 'tokens' THEN cost_type
    WHEN token_type = 'uncached_input_tokens' THEN 'input'
    WHEN token_type = 'cache_read_input_tokens' THEN 'cached_input'
    WHEN token_type = 'cache_creation.ephemeral_5m_input_tokens' THEN 'cache_write_5m'
    WHEN token_type = 'cache_creation.ephemeral_1h_input_tokens' THEN 'cache_write_1h'
    WHEN token_type = 'output_tokens' THEN 'output'
    ELSE COALESCE(token_type, NULLIF(LOWER(TRIM(description)), ''), 'unnamed')
  END AS line_item,
  COALESCE(cost_type, '') = 'web_search' OR (
    COALESCE(cost_type, '') = 'tokens' AND COALESCE(token_type, '') IN (
      'uncached_input_tokens', 'cache_read_input_tokens', 'cache_creation.ephemeral_5m_input_tokens',
      'cache_creation.ephemeral_1h_input_tokens', 'output_tokens'
    )
  ) AS line_item_known,
  COALESCE(cost_type, '') IN ('code_execution', 'session_usage') AS stands_apart,
  currency,
  amount,
  CAST(0 AS BIGNUMERIC) AS credit,
  CAST(NULL AS BIGNUMERIC) AS quantity,
  CAST(NULL AS STRING) AS unit
FROM {anthropic_costs_daily_raw}
