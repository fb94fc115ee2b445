-- What the source says, per currency and invoice month, before anything is written.
SELECT
  currency,
  invoice.month AS invoice_month,
  COUNT(*) AS row_count,
  SUM(COALESCE(cost, 0)) AS cost,
  SUM(COALESCE((SELECT SUM(credit.amount) FROM UNNEST(credits) AS credit), 0)) AS credits
FROM incoming
GROUP BY currency, invoice_month
