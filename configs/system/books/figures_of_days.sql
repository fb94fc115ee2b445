-- Which figure a day tells; days of which rows tell different ones are mixed.
SELECT
  usage_date,
  currency,
  CASE WHEN MIN({figure}) = MAX({figure}) THEN MIN({figure}) ELSE 'mixed' END AS figure
FROM {cost}
WHERE usage_date BETWEEN @first AND @last AND usage_date IN UNNEST(@days)
GROUP BY usage_date, currency
