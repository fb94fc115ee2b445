SELECT DISTINCT usage_date
FROM gcp_billing_daily_raw
WHERE COALESCE(billing_account_id, '') IN UNNEST(@accounts)
