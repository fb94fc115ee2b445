-- What costs were ever told of, in one of the columns that they are narrowed by.
SELECT DISTINCT
  CASE @filter
    WHEN 'provider' THEN provider
    WHEN 'service' THEN service
    WHEN 'project' THEN project_id
    WHEN 'currency' THEN currency
  END AS value
FROM billing_cost_daily
