-- As NUMERIC: sums of INT64 may go beyond it, which only some engines take.
SELECT usage_type, COUNT(*) AS row_count, SUM(CAST(quantity AS NUMERIC)) AS quantity
FROM {rows}
GROUP BY usage_type
