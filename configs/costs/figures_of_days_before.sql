-- Of a dataset into which nothing was loaded since this is told: all was billed.
SELECT DISTINCT usage_date, provider, currency, 'billed' AS figure
FROM x_cost_daily
WHERE billed_cost IS NOT NULL
