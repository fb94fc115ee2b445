-- Releases without this column told of bills alone.
SELECT usage_date, currency, billed_cost, credits, net_cost, row_count, completeness, completeness_reason, source_as_of,
  CASE WHEN billed_cost IS NOT NULL THEN COALESCE(figure, 'billed') END AS figure,
  pipeline_logging_id, published_at
FROM x_cost_daily
WHERE provider = @provider
