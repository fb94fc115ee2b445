-- One provider's bill.
SELECT
  'asked_provider' AS provider,
  usage_date,
  account,
  project_id,
  api_key_id,
  model,
  line_item,
  figure,
  allocation,
  currency,
  cost,
  credits,
  net_cost,
  unpriced_rows
FROM asked_bill
WHERE usage_date BETWEEN @first_day AND @last_day
