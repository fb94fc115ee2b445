-- Costs may have more decimals than figures: each sum is rounded once, half away from zero.
SELECT
  usage_date,
  currency,
  CAST(SUM(cost) AS NUMERIC) AS billed_cost,
  CAST(SUM(credits) AS NUMERIC) AS credits,
  CAST(SUM(net_cost) AS NUMERIC) AS net_cost,
  SUM(row_count) AS row_count,
  MAX(source_as_of) AS source_as_of
FROM {cost}
WHERE usage_date BETWEEN @first AND @last AND usage_date IN UNNEST(@days)
GROUP BY usage_date, currency
