-- Rows of a table that was made anew since, of the days of use from the first that the new one tells.
DELETE FROM {raw}
WHERE {source} = @source AND {day} BETWEEN @first AND @last AND {slice} IN UNNEST(@slices) AND usage_date >= @since
