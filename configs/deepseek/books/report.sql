-- The lines of the console's file of costs: it tells a model's money whole, by the wallet that it was paid from.
SELECT
  usage_date,
  REGEXP_REPLACE(source, r' costs$', '') AS account,
  CAST(NULL AS STRING) AS project_id,
  CAST(NULL AS STRING) AS api_key_id,
  FALSE AS by_key,
  ARRAY_TO_STRING([model, wallet_type], ' ') AS said,
  model AS model_told,
  'usage' AS line_item,
  TRUE AS line_item_known,
  FALSE AS stands_apart,
  currency,
  amount,
  CASE WHEN LOWER(wallet_type) = 'granted' THEN -amount ELSE CAST(0 AS BIGNUMERIC) END AS credit,
  CAST(NULL AS BIGNUMERIC) AS quantity,
  CAST(NULL AS STRING) AS unit
FROM {deepseek_costs_daily_raw}
