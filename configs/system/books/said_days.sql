SELECT usage_date, currency, billed_cost, credits, net_cost, row_count, completeness, completeness_reason, source_as_of,
  pipeline_logging_id, published_at
FROM x_cost_daily
WHERE provider = @provider
