-- How many rows of each day of use there are.
SELECT usage_date, COUNT(*) AS row_count FROM {rows}
GROUP BY usage_date
