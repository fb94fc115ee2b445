SELECT
  invoice_month,
  currency,
  SUM(cost) AS billed_cost,
  SUM(credits) AS credits,
  SUM(net_cost) AS net_cost,
  SUM(row_count) AS row_count
FROM {cost}
WHERE invoice_month IN UNNEST(@months)
GROUP BY invoice_month, currency
