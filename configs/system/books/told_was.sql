-- The rows as they were told until now, laid beside what is told now.
SELECT {columns}, told_since, @told_at AS told_until, 'was' AS superseded_by FROM {derived}
WHERE usage_date BETWEEN @first AND @last AND usage_date IN UNNEST(@days)
