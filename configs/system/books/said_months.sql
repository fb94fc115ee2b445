SELECT invoice_month, currency, billed_cost, credits, net_cost, row_count, completeness, pipeline_logging_id, published_at
FROM x_cost_monthly
WHERE provider = @provider
