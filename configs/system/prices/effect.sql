-- What another price book makes of told costs, by month, model and currency: only of rows that it changes. The query that makes costs is
-- asked of them by the relation `rates`, of which a line of @card is a row; `{cost}` is their table.
WITH rates AS (
  SELECT
    JSON_VALUE(line, '$.told_model') AS told_model,
    JSON_VALUE(line, '$.told_tier') AS told_tier,
    JSON_VALUE(line, '$.told_kind') AS told_kind,
    JSON_VALUE(line, '$.told_region') AS told_region,
    JSON_VALUE(line, '$.told_window') AS told_window,
    TIMESTAMP_MICROS(CAST(JSON_VALUE(line, '$.valid_from') AS INT64)) AS valid_from,
    TIMESTAMP_MICROS(CAST(JSON_VALUE(line, '$.valid_to') AS INT64)) AS valid_to,
    TIMESTAMP_MICROS(CAST(JSON_VALUE(line, '$.rate_until') AS INT64)) AS rate_until,
    CAST(JSON_VALUE(line, '$.over_from') AS INT64) AS over_from,
    CAST(JSON_VALUE(line, '$.over_to') AS INT64) AS over_to,
    JSON_VALUE(line, '$.model') AS model,
    JSON_VALUE(line, '$.rate_id') AS rate_id,
    CAST(JSON_VALUE(line, '$.per') AS INT64) AS per,
    JSON_VALUE(line, '$.currency') AS currency,
    CAST(JSON_VALUE(line, '$.unit_price') AS BIGNUMERIC) AS unit_price,
    CAST(JSON_VALUE(line, '$.rest') AS INT64) AS rest,
    CAST(JSON_VALUE(line, '$.rest_of') AS INT64) AS rest_of,
    CAST(JSON_VALUE(line, '$.most') AS INT64) AS most,
    CAST(JSON_VALUE(line, '$.doubt_over') AS INT64) AS doubt_over,
    JSON_VALUE(line, '$.unpriced_reason') AS unpriced_reason,
    JSON_VALUE(line, '$.change_reason') AS change_reason,
    -- what a cost is made with and these figures do not say
    CAST(NULL AS STRING) AS name_rule,
    CAST(NULL AS STRING) AS token_kind,
    CAST(NULL AS STRING) AS unit,
    CAST(NULL AS STRING) AS price_rule,
    CAST(NULL AS BIGNUMERIC) AS price,
    CAST(NULL AS BIGNUMERIC) AS long_unit_price,
    CAST(NULL AS INT64) AS long_rest,
    CAST(NULL AS INT64) AS long_rest_of,
    CAST(NULL AS INT64) AS long_most,
    CAST(NULL AS BIGNUMERIC) AS least_price,
    CAST(NULL AS BIGNUMERIC) AS most_price,
    CAST(NULL AS BIGNUMERIC) AS uncached_price,
    CAST(NULL AS BIGNUMERIC) AS uncached_most_price,
    CAST(NULL AS BIGNUMERIC) AS standard_price,
    CAST(NULL AS INT64) AS beside_most
  FROM UNNEST(@card) AS line
),

anew AS (
{fill}
),

both AS (
  SELECT
    usage_date, bucket_start, bucket_end, model_told, model, service_tier, COALESCE(region, 'any') AS region,
    COALESCE(price_window, 'any') AS price_window, token_kind, unit, prompt_tokens, rate_id,
    -- a range has a currency and no cost
    CASE WHEN cost IS NOT NULL THEN currency END AS currency, cost, unpriced_reason, 1 AS was, 0 AS now
  FROM {cost}
  WHERE usage_date BETWEEN @first AND @last AND COALESCE(model_told, '') IN UNNEST(@models) AND COALESCE(price_rule, '') <> 'told'
  UNION ALL
  SELECT
    usage_date, bucket_start, bucket_end, model_told, model, service_tier, region, price_window, token_kind, unit, prompt_tokens, rate_id,
    CASE WHEN cost IS NOT NULL THEN currency END AS currency, cost, unpriced_reason, 0 AS was, 1 AS now
  FROM anew
  WHERE COALESCE(price_rule, '') <> 'told'
),

-- a use of one moment and one length of prompt has one rate, so that what became of it is told of all its rows
changed AS (
  SELECT
    usage_date,
    COALESCE(MAX(CASE WHEN now = 1 THEN model END), MAX(CASE WHEN was = 1 THEN model END), model_told, '') AS model,
    SUM(was) AS row_count,
    MAX(CASE WHEN was = 1 THEN currency END) AS currency_now,
    MAX(CASE WHEN now = 1 THEN currency END) AS currency_then,
    SUM(CASE WHEN was = 1 THEN cost END) AS cost_now,
    SUM(CASE WHEN now = 1 THEN cost END) AS cost_then,
    COUNTIF(was = 1 AND rate_id IS NULL) AS unpriced_now,
    COUNTIF(now = 1 AND rate_id IS NULL) AS unpriced_then,
    MAX(CASE WHEN now = 1 THEN unpriced_reason END) AS reason_then
  FROM both
  GROUP BY usage_date, bucket_start, bucket_end, model_told, service_tier, region, price_window, token_kind, unit, prompt_tokens
  HAVING COALESCE(MAX(CASE WHEN was = 1 THEN rate_id END), '') != COALESCE(MAX(CASE WHEN now = 1 THEN rate_id END), '')
),

-- what is in two currencies stands in both, and is counted in the one that it will be in
sided AS (
  SELECT
    usage_date, model, currency_now AS currency, cost_now, CAST(NULL AS BIGNUMERIC) AS cost_then,
    CASE WHEN currency_then IS NULL THEN row_count ELSE 0 END AS row_count,
    0 AS rows_priced,
    CASE WHEN currency_then IS NULL THEN GREATEST(unpriced_then - unpriced_now, 0) ELSE 0 END AS rows_unpriced,
    CASE WHEN currency_then IS NULL THEN reason_then END AS reason
  FROM changed
  WHERE currency_now IS NOT NULL
  UNION ALL
  SELECT
    usage_date, model, currency_then AS currency, CAST(NULL AS BIGNUMERIC) AS cost_now, cost_then,
    row_count,
    GREATEST(unpriced_now - unpriced_then, 0) AS rows_priced,
    GREATEST(unpriced_then - unpriced_now, 0) AS rows_unpriced,
    reason_then AS reason
  FROM changed
  WHERE currency_then IS NOT NULL
)

SELECT
  FORMAT_DATE('%Y%m', usage_date) AS usage_month,
  model,
  currency,
  COALESCE(SUM(cost_now), 0) AS cost_now,
  COALESCE(SUM(cost_then), 0) AS cost_then,
  SUM(row_count) AS row_count,
  COUNT(DISTINCT usage_date) AS day_count,
  SUM(rows_priced) AS rows_priced,
  COUNT(DISTINCT CASE WHEN rows_priced > 0 THEN usage_date END) AS days_priced,
  SUM(rows_unpriced) AS rows_unpriced,
  COUNT(DISTINCT CASE WHEN rows_unpriced > 0 THEN usage_date END) AS days_unpriced,
  MAX(reason) AS unpriced_reason,
  MIN(usage_date) AS first_day,
  MAX(usage_date) AS last_day
FROM sided
GROUP BY usage_month, model, currency
ORDER BY usage_month, model, currency
