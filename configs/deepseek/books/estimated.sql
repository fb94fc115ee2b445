-- Days and accounts of which the console told nothing here: what their balances tell, as an estimate.
SELECT
  usage_date,
  FORMAT_DATE('%Y%m', usage_date) AS invoice_month,
  account,
  CAST(NULL AS STRING) AS project_id,
  CAST(NULL AS STRING) AS api_key_id,
  CAST(NULL AS STRING) AS model,
  'balance' AS line_item,
  'estimated' AS figure,
  'estimated' AS allocation,
  currency,
  spend AS cost,
  -spend_granted AS credits,
  spend - spend_granted AS net_cost,
  0 AS unpriced_rows,
  samples AS row_count,
  CAST(NULL AS TIMESTAMP) AS source_as_of
FROM {deepseek_balance_daily}
WHERE spend IS NOT NULL
