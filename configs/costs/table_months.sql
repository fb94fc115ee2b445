SELECT * FROM asked_table WHERE asked_column BETWEEN @first_month AND @last_month
