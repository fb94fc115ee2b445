-- Days whose figure is not to be taken as whole: usage without a price where usage is the figure, money that nothing explains, and
-- accounts that have no figure at all.
WITH unpriced AS (
  SELECT usage_date, COALESCE(model, line_item) AS model, SUM(unpriced_rows) AS unpriced_rows
  FROM {openai_bill_daily}
  WHERE figure = 'computed' AND unpriced_rows > 0
  GROUP BY usage_date, COALESCE(model, line_item)
),
ranked AS (
  SELECT
    usage_date,
    model,
    ROW_NUMBER() OVER (PARTITION BY usage_date ORDER BY model) AS place,
    COUNT(*) OVER (PARTITION BY usage_date) AS models
  FROM unpriced
),
held AS (
  SELECT
    lines.usage_date,
    lines.account,
    lines.currency,
    SUM(ABS(lines.unexplained)) AS unexplained,
    GREATEST(SUM(ABS(COALESCE(lines.reported, 0))), SUM(ABS(COALESCE(lines.computed, 0)))) AS money
  FROM {openai_cost_reconciliation_daily} AS lines
  GROUP BY usage_date, account, currency
  HAVING COUNTIF(lines.remainder_state = 'hold') > 0
),
without_figure AS (
  SELECT lines.usage_date, lines.account, SUM(lines.computed_rows) AS computed_rows
  FROM {openai_cost_reconciliation_daily} AS lines
  LEFT JOIN (SELECT DISTINCT usage_date, account FROM {openai_bill_daily}) AS bill
    ON bill.usage_date = lines.usage_date AND bill.account = lines.account
  WHERE bill.account IS NULL
  GROUP BY lines.usage_date, lines.account
)
SELECT
  usage_date,
  'unpriced' AS completeness,
  CONCAT(
    'no price for ', STRING_AGG(CASE WHEN place <= 5 THEN model END, ', ' ORDER BY model),
    CASE WHEN MAX(models) > 5 THEN CONCAT(' and ', CAST(MAX(models) - 5 AS STRING), ' more') ELSE '' END,
    '; lay the price and run openai/reprice'
  ) AS reason
FROM ranked
GROUP BY usage_date
UNION ALL
SELECT
  usage_date,
  'provisional' AS completeness,
  STRING_AGG(
    CONCAT(CAST(ROUND(unexplained, 2) AS STRING), ' of ', CAST(ROUND(money, 2) AS STRING), ' ', currency, ' is explained by no cause'), ', '
    ORDER BY account, currency
  ) AS reason
FROM held
GROUP BY usage_date
UNION ALL
SELECT
  usage_date,
  'partial' AS completeness,
  CONCAT(
    STRING_AGG(
      CASE
        WHEN computed_rows > 0 THEN CONCAT(account, ' has usage that the report does not tell, and by the rule of its bill only that counts')
        ELSE CONCAT(account, ' has a report without usage, and by the rule of its bill only usage counts')
      END, '; ' ORDER BY account
    ),
    '; see the rules of the bill'
  ) AS reason
FROM without_figure
GROUP BY usage_date
