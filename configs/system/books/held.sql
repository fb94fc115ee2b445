-- Whether the derived table has rows of these days.
SELECT usage_date FROM {derived}
WHERE usage_date BETWEEN @first AND @last AND usage_date IN UNNEST(@days)
LIMIT 1
