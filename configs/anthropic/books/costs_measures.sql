SELECT told_by, currency, COUNT(*) AS row_count, SUM(amount) AS amount
FROM {rows}
GROUP BY told_by, currency
