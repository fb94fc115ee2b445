SELECT
  CAST(NULL AS STRING) AS provider,
  CAST(NULL AS STRING) AS invoice_month,
  CAST(NULL AS DATE) AS first_day,
  CAST(NULL AS DATE) AS last_day,
  CAST(NULL AS STRING) AS plan_name,
  CAST(NULL AS STRING) AS billing_period,
  CAST(NULL AS STRING) AS unit,
  CAST(NULL AS INT64) AS seats,
  CAST(NULL AS STRING) AS currency,
  CAST(NULL AS BIGNUMERIC) AS cost,
  CAST(NULL AS STRING) AS completeness,
  CAST(NULL AS STRING) AS completeness_reason
LIMIT 0
