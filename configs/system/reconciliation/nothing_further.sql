-- Of books that know no figure beside the reported and the computed one: no row, in the columns of the bill.
SELECT
  usage_date,
  FORMAT_DATE('%Y%m', usage_date) AS invoice_month,
  account,
  project_id,
  CAST(NULL AS STRING) AS api_key_id,
  model_family AS model,
  line_item,
  'estimated' AS figure,
  'estimated' AS allocation,
  currency,
  computed AS cost,
  computed AS credits,
  computed AS net_cost,
  0 AS unpriced_rows,
  0 AS row_count,
  CAST(NULL AS TIMESTAMP) AS source_as_of
FROM {compared}
WHERE FALSE
