-- Anthropic's usage by kind of use. Cache reads and both lifetimes of cache writes stand beside the uncached input, and not within it.
WITH told AS (
  SELECT
    *,
    CASE
      WHEN COALESCE(speed, 'standard') <> 'fast' THEN COALESCE(service_tier, 'standard')
      WHEN COALESCE(service_tier, 'standard') = 'standard' THEN 'fast'
      ELSE CONCAT(service_tier, '_fast')
    END AS tier,
    CASE WHEN COALESCE(inference_geo, '') IN ('', 'global', 'not_available') THEN 'any' ELSE inference_geo END AS served_in,
    uncached_input_tokens + cache_read_input_tokens + cache_write_5m_tokens + cache_write_1h_tokens AS prompts
  FROM {anthropic_usage_daily_raw}
),

by_kind AS (
  SELECT
    usage_date,
    bucket_start,
    TIMESTAMP_ADD(bucket_start, INTERVAL bucket_seconds SECOND) AS bucket_end,
    source AS account,
    'messages' AS endpoint,
    workspace_id AS project_id,
    COALESCE(account_id, service_account_id) AS user_id,
    api_key_id,
    product AS api_source,
    CASE WHEN kind.unit = 'call' THEN 'web-search' ELSE model END AS model,
    CASE WHEN kind.unit = 'call' THEN 'standard' ELSE tier END AS service_tier,
    kind.token_kind,
    CAST(NULL AS STRING) AS kind_else,
    CASE kind.token_kind
      WHEN 'input' THEN uncached_input_tokens
      WHEN 'cached_input' THEN cache_read_input_tokens
      WHEN 'cache_write_5m' THEN cache_write_5m_tokens
      WHEN 'cache_write_1h' THEN cache_write_1h_tokens
      WHEN 'output' THEN output_tokens
      WHEN 'call' THEN web_search_requests
      ELSE CASE WHEN other_measures IS NOT NULL THEN 1 END
    END AS quantity,
    kind.unit,
    CASE kind.unit WHEN 'measure' THEN other_measures WHEN 'call' THEN model END AS detail,
    -- of the longer window at least one token more; within the shorter one the length of each prompt is told by nobody
    CASE WHEN kind.unit = 'token' AND context_window = '200k-1M' THEN 200001 END AS prompt_tokens,
    CASE
      WHEN kind.unit <> 'token' THEN 0
      WHEN context_window = '200k-1M' THEN 200001
      WHEN context_window = '0-200k' THEN LEAST(200000, prompts)
      ELSE prompts
    END AS prompt_tokens_most,
    kind.unit = 'token' AND COALESCE(context_window, '') <> '200k-1M' AS may_be_long,
    CASE WHEN kind.unit = 'call' THEN 'any' ELSE served_in END AS region,
    'any' AS price_window,
    CAST(NULL AS BIGNUMERIC) AS price_told,
    CAST(NULL AS STRING) AS currency_told
  FROM told
  CROSS JOIN UNNEST([
    STRUCT('input' AS token_kind, 'token' AS unit),
    STRUCT('cached_input', 'token'),
    STRUCT('cache_write_5m', 'token'),
    STRUCT('cache_write_1h', 'token'),
    STRUCT('output', 'token'),
    STRUCT('call', 'call'),
    STRUCT('unknown', 'measure')
  ]) AS kind
)

SELECT *
FROM by_kind
WHERE quantity <> 0
