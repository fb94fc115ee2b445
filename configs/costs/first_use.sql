-- The first day that a provider tells of.
SELECT MIN(usage_date) AS day FROM x_cost_daily WHERE provider = @provider AND completeness <> 'missing'
