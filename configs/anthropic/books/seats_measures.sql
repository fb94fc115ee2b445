SELECT
  told_by,
  product,
  currency,
  COUNT(*) AS row_count,
  SUM(CAST(input_tokens AS NUMERIC)) AS input_tokens,
  SUM(CAST(cached_input_tokens AS NUMERIC)) AS cached_input_tokens,
  SUM(CAST(cache_write_tokens AS NUMERIC)) AS cache_write_tokens,
  SUM(CAST(output_tokens AS NUMERIC)) AS output_tokens,
  SUM(estimated_cost) AS estimated_cost
FROM {rows}
GROUP BY told_by, product, currency
