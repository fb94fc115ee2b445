-- How the two sides of the days made anew stand to each other: lines of the comparison by what is to be thought of their remainder.
SELECT remainder_state AS what, COUNT(*) AS row_count, COUNT(DISTINCT usage_date) AS days
FROM {compared}
GROUP BY remainder_state
ORDER BY what
