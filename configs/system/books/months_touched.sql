SELECT DISTINCT invoice_month
FROM {cost}
WHERE usage_date BETWEEN @first AND @last AND usage_date IN UNNEST(@days) AND invoice_month IS NOT NULL
