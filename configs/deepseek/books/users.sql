-- Whose files were imported, and for which account.
SELECT DISTINCT source AS account, user_id FROM deepseek_usage_daily_raw
UNION DISTINCT
SELECT DISTINCT REGEXP_REPLACE(source, r' costs$', '') AS account, user_id FROM deepseek_costs_daily_raw
