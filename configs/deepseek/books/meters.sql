-- Use as DeepSeek's console tells it, each with the price that it tells; where it tells none, with every time of day that it may have been.
-- Of days that the console did not tell, the organisation's own records, by the hour.
-- The rules of that time are dated. China's public holidays are known up to the end of 2026: of a later one both times are possible.
WITH console AS (
  SELECT DISTINCT source AS account, usage_date FROM {deepseek_usage_daily_raw}
),

uses AS (
  SELECT usage_date, bucket_start, bucket_end, source AS account, told_by, api_key_name, api_key, model, usage_type, price, quantity
  FROM {deepseek_usage_daily_raw}
  UNION ALL
  SELECT
    records.usage_date,
    records.bucket_start,
    records.bucket_end,
    REGEXP_REPLACE(records.source, r' records$', '') AS account,
    'records' AS told_by,
    CAST(NULL AS STRING) AS api_key_name,
    CAST(NULL AS STRING) AS api_key,
    records.model,
    records.usage_type,
    CAST(NULL AS BIGNUMERIC) AS price,
    records.quantity
  FROM {deepseek_records_daily_raw} AS records
  LEFT JOIN console
    ON console.account = REGEXP_REPLACE(records.source, r' records$', '') AND console.usage_date = records.usage_date
  WHERE console.account IS NULL
),

currencies AS (
  -- the file of use names no currency: it is that of the costs of the same day and model
  SELECT
    REGEXP_REPLACE(source, r' costs$', '') AS account,
    usage_date,
    model,
    CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END AS currency
  FROM {deepseek_costs_daily_raw}
  GROUP BY source, usage_date, model
),

wallets AS (
  -- of a model without any it is that of the account, where the account has one
  SELECT account, usage_date, CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END AS currency
  FROM (
    SELECT REGEXP_REPLACE(source, r' costs$', '') AS account, usage_date, currency FROM {deepseek_costs_daily_raw}
    UNION ALL
    SELECT REGEXP_REPLACE(source, r' balance$', '') AS account, usage_date, currency FROM {deepseek_balance_raw}
  ) AS seen
  GROUP BY account, usage_date
),

connected AS (
  -- and on a day that tells none the one in which its credential had a balance
  SELECT each.account AS account, CASE WHEN MIN(each.currency) = MAX(each.currency) THEN MIN(each.currency) END AS currency
  FROM UNNEST(@currencies) AS pair
  CROSS JOIN UNNEST([STRUCT(REGEXP_EXTRACT(pair, r'^(.*) [^ ]+$') AS account, REGEXP_EXTRACT(pair, r' ([^ ]+)$') AS currency)]) AS each
  GROUP BY each.account
),

timed AS (
  SELECT
    uses.*,
    CASE
      WHEN currencies.account IS NOT NULL THEN currencies.currency
      WHEN wallets.account IS NOT NULL THEN wallets.currency
      ELSE connected.currency
    END AS currency,
    CASE WHEN told_by = 'records' THEN EXTRACT(HOUR FROM bucket_start) END AS hour
  FROM uses
  LEFT JOIN currencies
    ON currencies.account = uses.account AND currencies.usage_date = uses.usage_date AND currencies.model = uses.model
  LEFT JOIN wallets ON wallets.account = uses.account AND wallets.usage_date = uses.usage_date
  LEFT JOIN connected ON connected.account = uses.account
),

told AS (
  SELECT
    *,
    STARTS_WITH(model, 'deepseek-v4-pro')
      AND usage_date BETWEEN DATE '2026-09-14' AND DATE '2026-10-27'
      AND NOT (usage_date = DATE '2026-09-14' AND COALESCE(hour, 4) < 4) AS as_flash,
    CASE
      WHEN usage_date < DATE '2026-08-16' THEN 'any'
      -- from 16:00 on there are two times of day, and what is left of this day is off-peak
      WHEN usage_date = DATE '2026-08-16' THEN CASE WHEN hour IS NULL THEN 'any|off_peak' WHEN hour < 16 THEN 'any' ELSE 'off_peak' END
      WHEN usage_date >= DATE '2026-08-23' AND (
        EXTRACT(DAYOFWEEK FROM usage_date) IN (1, 7)
        OR usage_date BETWEEN DATE '2026-09-25' AND DATE '2026-09-27'
        OR usage_date BETWEEN DATE '2026-10-01' AND DATE '2026-10-07'
      ) THEN 'off_peak'
      WHEN hour IS NULL THEN 'off_peak|peak'
      WHEN hour BETWEEN 1 AND 3 OR hour BETWEEN 6 AND 9 THEN CASE WHEN usage_date > DATE '2026-12-31' THEN 'off_peak|peak' ELSE 'peak' END
      ELSE 'off_peak'
    END AS windows,
    CASE usage_type
      WHEN 'input_cache_hit_tokens' THEN 'cached_input'
      WHEN 'input_cache_miss_tokens' THEN 'input'
      WHEN 'input_tokens' THEN 'input'
      WHEN 'output_tokens' THEN 'output'
      ELSE 'unknown'
    END AS token_kind
  FROM timed
)

SELECT
  usage_date,
  bucket_start,
  bucket_end,
  account,
  told_by AS endpoint,
  CAST(NULL AS STRING) AS project_id,
  CAST(NULL AS STRING) AS user_id,
  CASE WHEN told_by = 'console' THEN NULLIF(ARRAY_TO_STRING([api_key_name, api_key], ' '), '') END AS api_key_id,
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
    WHEN windows IN ('off_peak', 'peak') THEN CONCAT(windows, '|', windows, '_as_flash')
    ELSE 'off_peak|off_peak_as_flash|peak|peak_as_flash'
  END AS price_window,
  price AS price_told,
  -- no rate prices what is charged in a currency that nobody tells
  CASE WHEN price IS NULL THEN COALESCE(currency, 'XXX') ELSE currency END AS currency_told
FROM told
WHERE usage_type <> 'request_count' AND quantity <> 0
