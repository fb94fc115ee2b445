SELECT * FROM asked_table LIMIT 0
