SELECT
  l.step_log_id,
  l.pipeline_logging_id,
  l.org_slug,
  r.pipeline_id,
  r.document,
  r.trigger_type,
  r.status AS run_status,
  l.step_id,
  l.ps_type,
  l.step_index,
  l.attempt,
  l.status,
  l.started_at,
  l.ended_at,
  l.duration_ms,
  COALESCE(l.rows_processed, 0) AS rows_processed,
  l.error_code,
  l.error_message
FROM org_meta_step_logs AS l
LEFT JOIN org_meta_pipeline_runs AS r ON r.pipeline_logging_id = l.pipeline_logging_id
