-- Use as DeepSeek's console tells it, each with the price that it tells; where it tells none, with every time of day that it may have been.
-- The rules of that time are dated. China's public holidays are known up to the end of 2026: of a later one both times are possible.
WITH currencies AS (
  -- the file of use names no currency: it is that of the costs of the same day and model, where these have one
  SELECT
    REGEXP_REPLACE(source, r' costs$', '') AS account,
    usage_date,
    model,
    CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END AS currency
  FROM {deepseek_costs_daily_raw}
  GROUP BY source, usage_date, model
),

told AS (
  SELECT
    uses.*,
    currencies.currency,
    STARTS_WITH(uses.model, 'deepseek-v4-pro') AND uses.usage_date BETWEEN DATE '2026-09-14' AND DATE '2026-10-27' AS as_flash,
    CASE
      WHEN uses.usage_date < DATE '2026-08-16' THEN 'any'
      -- from 16:00 on there are two times of day, and what is left of this day is off-peak
      WHEN uses.usage_date = DATE '2026-08-16' THEN 'any|off_peak'
      WHEN uses.usage_date < DATE '2026-08-23' THEN 'off_peak|peak'
      WHEN EXTRACT(DAYOFWEEK FROM uses.usage_date) IN (1, 7) THEN 'off_peak'
      WHEN uses.usage_date BETWEEN DATE '2026-09-25' AND DATE '2026-09-27' THEN 'off_peak'
      WHEN uses.usage_date BETWEEN DATE '2026-10-01' AND DATE '2026-10-07' THEN 'off_peak'
      ELSE 'off_peak|peak'
    END AS windows,
    CASE usage_type
      WHEN 'input_cache_hit_tokens' THEN 'cached_input'
      WHEN 'input_cache_miss_tokens' THEN 'input'
      WHEN 'input_tokens' THEN 'input'
      WHEN 'output_tokens' THEN 'output'
      ELSE 'unknown'
    END AS token_kind
  FROM {deepseek_usage_daily_raw} AS uses
  LEFT JOIN currencies
    ON currencies.account = uses.source AND currencies.usage_date = uses.usage_date AND currencies.model = uses.model
)

SELECT
  usage_date,
  bucket_start,
  bucket_end,
  source AS account,
  told_by AS endpoint,
  CAST(NULL AS STRING) AS project_id,
  CAST(NULL AS STRING) AS user_id,
  ARRAY_TO_STRING([api_key_name, api_key], ' ') AS api_key_id,
  CAST(NULL AS STRING) AS api_source,
  model,
  'standard' AS service_tier,
  token_kind,
  CAST(NULL AS STRING) AS kind_else,
  quantity,
  CASE WHEN token_kind = 'unknown' THEN 'measure' ELSE 'token' END AS unit,
  CASE WHEN token_kind = 'unknown' THEN usage_type END AS detail,
  CAST(NULL AS INT64) AS prompt_tokens,
  CAST(NULL AS INT64) AS prompt_tokens_most,
  FALSE AS may_be_long,
  CASE WHEN currency = 'CNY' THEN 'cn' ELSE 'any' END AS region,
  CASE
    WHEN NOT as_flash THEN windows
    WHEN windows = 'off_peak' THEN 'off_peak|off_peak_as_flash'
    ELSE 'off_peak|off_peak_as_flash|peak|peak_as_flash'
  END AS price_window,
  price AS price_told,
  currency AS currency_told
FROM told
WHERE usage_type <> 'request_count' AND quantity <> 0
