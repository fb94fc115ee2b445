SELECT currency, wallet_type, COUNT(*) AS row_count, SUM(amount) AS amount
FROM {rows}
GROUP BY currency, wallet_type
