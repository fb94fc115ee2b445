-- What the daily rows must add up to: the raw rows of these days that count, each once.
SELECT
  currency,
  COUNT(*) AS row_count,
  SUM(COALESCE(cost, 0)) AS cost
FROM gcp_billing_daily_raw
WHERE source_table = @source_table
  AND (@account IS NULL OR COALESCE(billing_account_id, '') = @account)
  AND usage_date BETWEEN @first AND @last
  AND usage_date IN UNNEST(@days)
  AND (@until_day IS NULL OR usage_date < @until_day)
  AND (@own_from IS NULL OR usage_date >= @own_from OR ingest_date > @load_floor)
GROUP BY currency
