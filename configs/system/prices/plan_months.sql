-- What the plans of a book come to, as it was reckoned and staged for these months.
SELECT * FROM plan_months
