-- The days of use that the changed load days hold rows of, however long ago they were.
SELECT DISTINCT usage_date
FROM gcp_billing_daily_raw
WHERE source_table = @source_table AND ingest_date BETWEEN @first AND @last AND ingest_date IN UNNEST(@days)
