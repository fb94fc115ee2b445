SELECT DISTINCT pipeline_logging_id
FROM x_meta_pipeline_runs
WHERE pipeline_logging_id IN UNNEST(@run_ids)
