SELECT currency, COUNT(*) AS row_count, SUM(total_balance) AS total_balance
FROM {rows}
GROUP BY currency
