-- Which figure each day tells, once. Rows of releases without this column tell what was billed.
SELECT usage_date, provider, currency, MIN(COALESCE(figure, 'billed')) AS figure
FROM x_cost_daily
WHERE billed_cost IS NOT NULL
GROUP BY usage_date, provider, currency
