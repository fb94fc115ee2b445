SELECT currency, grouped_by, quantity_unit, COUNT(*) AS row_count, SUM(amount) AS amount, SUM(quantity) AS quantity
FROM {rows}
GROUP BY currency, grouped_by, quantity_unit
