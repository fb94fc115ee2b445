-- What stands of these days of use.
SELECT * FROM {raw}
WHERE usage_date BETWEEN @first AND @last AND usage_date IN UNNEST(@days)
