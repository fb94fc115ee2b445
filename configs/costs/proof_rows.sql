-- What stands of each slice in a table of raw rows.
SELECT asked_source AS source, CAST(asked_slice AS STRING) AS slice_key, COUNT(*) AS row_count
FROM asked_table
GROUP BY source, slice_key
