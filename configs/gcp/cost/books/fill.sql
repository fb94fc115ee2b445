-- Credits are summed inside their row: joined to it they would repeat its cost, and rows without any would be lost.
SELECT
  usage_date,
  invoice.month AS invoice_month,
  source_table,
  billing_account_id,
  project.id AS project_id,
  MAX(project.name) AS project_name,
  service.id AS service_id,
  MAX(service.description) AS service,
  sku.id AS sku_id,
  MAX(sku.description) AS sku,
  location.region AS region,
  CASE WHEN ARRAY_LENGTH(labels) > 0 THEN TO_JSON_STRING(labels) END AS labels,
  cost_type,
  currency,
  SUM(COALESCE(cost, 0)) AS cost,
  SUM(COALESCE((SELECT SUM(credit.amount) FROM UNNEST(credits) AS credit), 0)) AS credits,
  SUM(COALESCE(cost, 0) + COALESCE((SELECT SUM(credit.amount) FROM UNNEST(credits) AS credit), 0)) AS net_cost,
  SUM(CAST(CAST(usage.amount_in_pricing_units AS STRING) AS NUMERIC)) AS usage_amount,
  usage.pricing_unit AS pricing_unit,
  COUNT(*) AS row_count,
  MAX(export_time) AS source_as_of
FROM {rows}
GROUP BY
  usage_date, invoice_month, source_table, billing_account_id, project_id, service_id, sku_id, region, labels, cost_type, currency, pricing_unit
