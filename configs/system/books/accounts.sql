-- Whose money each source tells of. Two sources of one account tell of the same.
SELECT DISTINCT {source} AS source, COALESCE({account}, '') AS account FROM {raw}
