-- What publications read, the newest first.
SELECT manifest_id, pipeline_logging_id, published_at, objects
FROM x_load_manifests
WHERE provider = @provider AND objects IS NOT NULL
ORDER BY published_at DESC, manifest_id DESC
