SELECT
  invoice_month,
  currency,
  CASE WHEN MIN({figure}) = MAX({figure}) THEN MIN({figure}) ELSE 'mixed' END AS figure
FROM {cost}
WHERE invoice_month IN UNNEST(@months)
GROUP BY invoice_month, currency
