-- What was written of these slices of a source. The days keep the question to the parts of the table that may hold them.
SELECT * FROM {raw}
WHERE {source} = @source AND {day} BETWEEN @first AND @last AND {slice} IN UNNEST(@slices)
