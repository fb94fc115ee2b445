SELECT source, first_slice, last_slice, looked_on, source_begins, source_made, source_gaps
FROM x_source_looks
WHERE provider = @provider
