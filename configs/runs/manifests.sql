SELECT
  manifest_id, step_id, document, provider, window_start, window_end, source, source_version, schema_fingerprint, columns_unknown,
  columns_absent, rows_read, rows_written, bytes_read, totals, `tables`, unread, quality, published_at
FROM x_load_manifests
WHERE pipeline_logging_id = @run_id
ORDER BY published_at, step_id, manifest_id
