-- What the changed load days come to, by what kind of row it is; taken before and after, the difference explains a restatement.
SELECT
  usage_date,
  invoice.month AS invoice_month,
  currency,
  CASE
    WHEN cost_type = 'adjustment' OR adjustment_info.id IS NOT NULL OR adjustment_info.type IS NOT NULL THEN 'correction'
    WHEN ingest_date IN UNNEST(@new) THEN 'read for the first time'
    WHEN cost_type = 'tax' THEN 'tax'
    WHEN cost_type = 'rounding_error' THEN 'rounding'
    WHEN ingest_date IN UNNEST(@restated) THEN 'restated load day'
    -- whenever its load day is read: what was written after its day is late
    WHEN usage_date >= ingest_date AND ingest_date IN UNNEST(@first_read) THEN 'read for the first time'
    ELSE 'late rows'
  END AS cause,
  MIN(ingest_date) AS first_load_day,
  MAX(ingest_date) AS last_load_day,
  SUM(COALESCE(cost, 0) + COALESCE((SELECT SUM(credit.amount) FROM UNNEST(credits) AS credit), 0)) AS net_cost
FROM {rows}
GROUP BY usage_date, invoice_month, currency, cause
