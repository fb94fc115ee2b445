SELECT source, slice, version, row_count
FROM x_source_slices
WHERE provider = @provider
