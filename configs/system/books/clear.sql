DELETE FROM {derived}
WHERE usage_date BETWEEN @first AND @last AND usage_date IN UNNEST(@days)
