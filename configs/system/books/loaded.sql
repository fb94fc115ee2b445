-- Which days of use each slice has rows of, and how many.
SELECT {slice} AS slice_key, usage_date, CAST(NULL AS STRING) AS invoice_month, COUNT(*) AS row_count
FROM {rows}
GROUP BY slice_key, usage_date
