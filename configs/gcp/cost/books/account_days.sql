SELECT DISTINCT DATE(COALESCE(usage_start_time, export_time)) AS usage_date
FROM gcp_billing_daily_raw
WHERE COALESCE(billing_account_id, '') IN UNNEST(@accounts)
