-- The days of use that the changed load days hold rows of, however long ago they were.
SELECT DISTINCT DATE(COALESCE(usage_start_time, export_time)) AS usage_date
FROM gcp_billing_daily_raw
WHERE source_table = @source_table AND ingest_date BETWEEN @first AND @last AND ingest_date IN UNNEST(@days)
