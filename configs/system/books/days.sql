SELECT
  usage_date,
  currency,
  SUM(cost) AS billed_cost,
  SUM(credits) AS credits,
  SUM(net_cost) AS net_cost,
  SUM(row_count) AS row_count,
  MAX(source_as_of) AS source_as_of
FROM {cost}
WHERE usage_date BETWEEN @first AND @last AND usage_date IN UNNEST(@days)
GROUP BY usage_date, currency
