SELECT
  provider, invoice_month, currency, billed_cost, credits, net_cost, row_count, 'billed' AS figure, completeness, completeness_reason,
  pipeline_logging_id, published_at
FROM x_cost_monthly
