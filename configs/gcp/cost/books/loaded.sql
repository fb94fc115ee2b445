-- Which days of use and invoice months each load day has rows of, and how many.
SELECT ingest_date AS slice_key, usage_date, invoice.month AS invoice_month, COUNT(*) AS row_count
FROM {rows}
GROUP BY slice_key, usage_date, invoice_month
