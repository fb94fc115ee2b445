DELETE FROM {before}
WHERE usage_date BETWEEN @first AND @last AND superseded_by IN ('was', 'now')
