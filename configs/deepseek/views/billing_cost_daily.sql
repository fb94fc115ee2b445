SELECT
  usage_date,
  'deepseek' AS provider,
  account AS account_id,
  project_id,
  CAST(NULL AS STRING) AS project_name,
  COALESCE(model, line_item) AS service,
  line_item AS sku,
  CAST(NULL AS STRING) AS region,
  CAST(NULL AS STRING) AS labels,
  'regular' AS cost_type,
  invoice_month,
  currency,
  cost AS billed_cost,
  credits,
  net_cost,
  row_count
FROM deepseek_bill_daily
