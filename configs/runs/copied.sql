SELECT DISTINCT pipeline_logging_id, ended_at
FROM x_meta_pipeline_runs
WHERE pipeline_logging_id IN UNNEST(@run_ids)
