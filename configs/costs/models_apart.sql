-- What one provider tells of use that is no cost of its API.
SELECT
  'asked_provider' AS provider,
  product,
  LOWER(TRIM(model_told)) AS model,
  currency,
  SUM(CAST(sessions AS NUMERIC)) AS sessions,
  SUM(CAST(tokens AS NUMERIC)) AS tokens,
  SUM(amount) AS amount,
  MIN(usage_date) AS first_day,
  MAX(usage_date) AS last_day
FROM (
asked_apart
) AS told
GROUP BY product, LOWER(TRIM(model_told)), currency
