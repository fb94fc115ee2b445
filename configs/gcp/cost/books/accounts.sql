-- Whose bills each source holds. Two sources of one account tell of the same money.
SELECT DISTINCT source_table, COALESCE(billing_account_id, '') AS account
FROM gcp_billing_daily_raw
