-- A period is a day or an invoice month, and the grain says which.
SELECT * FROM asked_table
WHERE (grain = 'day' AND asked_column BETWEEN @first_text AND @last_text)
  OR (grain = 'invoice_month' AND asked_column BETWEEN @first_month AND @last_month)
