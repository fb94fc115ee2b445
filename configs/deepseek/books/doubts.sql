-- Days whose figure is an estimate, and how wide it is; and days that the organisation's own records alone tell.
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
UNION ALL
SELECT
  usage_date,
  'partial' AS completeness,
  CONCAT('of ', STRING_AGG(account, ', ' ORDER BY account), ' own records alone tell; import the export of the console') AS reason
FROM (
  SELECT DISTINCT costs.usage_date AS usage_date, costs.account AS account
  FROM {deepseek_cost_daily} AS costs
  JOIN {deepseek_bill_daily} AS bill ON bill.usage_date = costs.usage_date AND bill.account = costs.account AND bill.figure = 'computed'
  WHERE costs.endpoint = 'records'
) AS recorded
GROUP BY usage_date
