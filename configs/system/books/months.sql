-- Of the rows and not of the days, whose sums are rounded already.
SELECT
  invoice_month,
  currency,
  CAST(SUM(cost) AS NUMERIC) AS billed_cost,
  CAST(SUM(credits) AS NUMERIC) AS credits,
  CAST(SUM(net_cost) AS NUMERIC) AS net_cost,
  SUM(row_count) AS row_count
FROM {cost}
WHERE invoice_month IN UNNEST(@months)
GROUP BY invoice_month, currency
