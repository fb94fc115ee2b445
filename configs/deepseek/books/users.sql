-- Whose files were imported for this account.
SELECT DISTINCT user_id FROM deepseek_usage_daily_raw WHERE source = @account AND told_by = 'console'
UNION DISTINCT
SELECT DISTINCT user_id FROM deepseek_costs_daily_raw WHERE source = @costs
