SELECT invoice_month, currency, billed_cost, credits, net_cost, row_count, published_at
FROM x_cost_monthly
WHERE provider = @provider
