SELECT * FROM asked_table WHERE asked_column BETWEEN @first_day AND @last_day
