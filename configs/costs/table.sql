SELECT * FROM asked_table
