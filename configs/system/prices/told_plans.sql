-- What plans were told to come to; `{plans}` is their table.
SELECT invoice_month, usage_date, last_date, plan_name, billing_period, rate_id, currency, cost
FROM {plans}
WHERE usage_date BETWEEN @first AND @last
