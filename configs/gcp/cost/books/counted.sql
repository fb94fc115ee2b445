-- What the daily rows must add up to: the raw rows of these days that count, each once.
SELECT
  currency,
  COUNT(*) AS row_count,
  SUM(COALESCE(cost, 0)) AS cost,
  SUM(COALESCE((SELECT SUM(credit.amount) FROM UNNEST(credits) AS credit), 0)) AS credits
FROM gcp_billing_daily_raw
WHERE source_table = @source_table
  AND (@account IS NULL OR COALESCE(billing_account_id, '') = @account)
  AND DATE(COALESCE(usage_start_time, export_time)) BETWEEN @first AND @last
  AND DATE(COALESCE(usage_start_time, export_time)) IN UNNEST(@days)
  AND (@until_day IS NULL OR DATE(COALESCE(usage_start_time, export_time)) < @until_day)
  AND (@own_from IS NULL OR DATE(COALESCE(usage_start_time, export_time)) >= @own_from OR ingest_date > @load_floor)
GROUP BY currency
