SELECT * FROM asked_table WHERE asked_column >= @first_moment AND asked_column < @moment_after
