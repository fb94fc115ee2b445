-- One provider's plans, of the months that the range touches, each as its table has it.
SELECT
  'asked_provider' AS provider,
  invoice_month,
  usage_date AS first_day,
  last_date AS last_day,
  plan_name,
  billing_period,
  unit,
  seats,
  currency,
  cost,
  completeness,
  completeness_reason
FROM asked_seats
WHERE usage_date <= @last_day AND last_date >= @first_day
