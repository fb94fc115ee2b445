SELECT DISTINCT usage_date FROM {raw}
WHERE usage_date BETWEEN @first AND @last
