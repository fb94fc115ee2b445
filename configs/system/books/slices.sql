SELECT source, slice, version, listed_version, row_count, bytes, loaded_at, seen_at
FROM x_source_slices
WHERE provider = @provider
