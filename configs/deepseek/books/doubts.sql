-- Days whose figure is an estimate, and how wide it is.
SELECT
  bill.usage_date,
  'partial' AS completeness,
  CONCAT(
    'estimated from balances, for the console told nothing of it: ',
    STRING_AGG(
      CONCAT(
        bill.account, ' spent ', CAST(ROUND(balances.spend_least, 2) AS STRING), ' to ',
        COALESCE(CAST(ROUND(balances.spend_most, 2) AS STRING), 'nobody knows how many'), ' ', balances.currency,
        CASE WHEN balances.topped_up > 0 THEN ', topped up meanwhile' ELSE '' END,
        CASE WHEN balances.gifts > 0 THEN ', with gifts meanwhile' ELSE '' END,
        CASE WHEN balances.expired > 0 THEN CONCAT(', and gifts of ', CAST(ROUND(balances.expired, 2) AS STRING), ' expired, as it looks') ELSE '' END,
        CASE WHEN balances.whole_day THEN '' ELSE ', a part of the day not counted' END
      ), '; ' ORDER BY bill.account, balances.currency
    ),
    '; import the export of the console'
  ) AS reason
FROM {deepseek_bill_daily} AS bill
JOIN {deepseek_balance_daily} AS balances
  ON balances.usage_date = bill.usage_date AND balances.account = bill.account AND balances.currency = bill.currency
WHERE bill.figure = 'estimated'
GROUP BY bill.usage_date
