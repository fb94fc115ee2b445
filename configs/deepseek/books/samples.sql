-- The rows of the last day of which there are any.
SELECT samples.usage_date, sampled_at, currency, total_balance, granted_balance, topped_up_balance, is_available
FROM deepseek_balance_raw AS samples
JOIN (SELECT MAX(usage_date) AS usage_date FROM deepseek_balance_raw WHERE source = @source) AS newest
  ON newest.usage_date = samples.usage_date
WHERE source = @source
ORDER BY sampled_at, currency
