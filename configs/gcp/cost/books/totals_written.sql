-- The same of what was written: it must be equal, row for row and digit for digit.
SELECT
  currency,
  invoice.month AS invoice_month,
  COUNT(*) AS row_count,
  SUM(COALESCE(cost, 0)) AS cost,
  SUM(COALESCE((SELECT SUM(credit.amount) FROM UNNEST(credits) AS credit), 0)) AS credits
FROM gcp_billing_daily_raw
WHERE source_table = @source_table AND ingest_date BETWEEN @first AND @last AND ingest_date IN UNNEST(@days)
GROUP BY currency, invoice_month
