-- What counts of these days of use, of one source, where several may tell of the same money.
SELECT * FROM {raw}
WHERE {source} = @source
  AND (@account IS NULL OR COALESCE({account}, '') = @account)
  AND usage_date BETWEEN @first AND @last
  AND usage_date IN UNNEST(@days)
  AND (@until_day IS NULL OR usage_date < @until_day)
  AND (@load_ceiling IS NULL OR {day} <= @load_ceiling)
  AND (@own_from IS NULL OR usage_date >= @own_from OR ({day} > @load_floor AND (@fills_from IS NULL OR usage_date < @fills_from)))
