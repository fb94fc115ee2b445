SELECT source, slice, slice_key, last_day, version, listed_version, row_count, bytes, source_made, loaded_at, seen_at, holds, pipeline_logging_id
FROM x_source_slices
WHERE provider = @provider
