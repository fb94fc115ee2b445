-- Every cloud's cost by day, in one shape; each cloud adds its own SELECT.
SELECT
  usage_date,
  'gcp' AS provider,
  billing_account_id AS account_id,
  project_id,
  project_name,
  service,
  sku,
  region,
  labels,
  cost_type,
  invoice_month,
  currency,
  cost AS billed_cost,
  credits,
  net_cost,
  row_count
FROM gcp_cost_daily
