-- Which rows counted when this provider was last published.
SELECT shares
FROM x_load_manifests
WHERE provider = @provider AND shares IS NOT NULL
ORDER BY published_at DESC
LIMIT 1
