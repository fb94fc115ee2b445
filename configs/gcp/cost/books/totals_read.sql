-- What the source says, per currency and invoice month, before anything is written.
SELECT
  currency,
  invoice.month AS invoice_month,
  COUNT(*) AS row_count,
  SUM(cost) AS cost,
  SUM(COALESCE((SELECT SUM(credit.amount) FROM UNNEST(credits) AS credit), 0)) AS credits,
  COUNTIF(DATE(export_time) NOT IN UNNEST(@days)) AS rows_outside
FROM incoming
GROUP BY currency, invoice_month
