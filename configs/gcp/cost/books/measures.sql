-- Asked of what the source gave and of what was written, row for row and digit for digit the same.
SELECT
  currency,
  invoice.month AS invoice_month,
  COUNT(*) AS row_count,
  SUM(COALESCE(cost, 0)) AS billed_cost,
  SUM(COALESCE((SELECT SUM(credit.amount) FROM UNNEST(credits) AS credit), 0)) AS credits
FROM {rows}
GROUP BY currency, invoice_month
