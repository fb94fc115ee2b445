-- What a step of this run has published already, should its worker have died before it could say so.
SELECT manifest_id, rows_read, rows_written, totals, tables, unread, quality, columns_unknown, published_at
FROM x_load_manifests
WHERE pipeline_logging_id = @run_id AND step_id = @step_id
ORDER BY published_at DESC
LIMIT 1
