-- Days whose figure is not to be taken as whole: usage without a price where usage is the figure, money that nothing explains, and
-- accounts that have no figure at all.
WITH unpriced AS (
  SELECT usage_date, COALESCE(model, line_item) AS model, SUM(unpriced_rows) AS unpriced_rows
  FROM {bill}
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
mends AS (
  -- by how a reason begins, which rate_card.py and cost.sql say
  SELECT
    costs.usage_date,
    ARRAY_TO_STRING([
      CASE WHEN LOGICAL_OR(NOT REGEXP_CONTAINS(costs.unpriced_reason, r'^(rate changed|kind unknown|quantity unknown):'))
        THEN CONCAT('lay the price and run ', {provider}, '/reprice') END,
      CASE WHEN LOGICAL_OR(STARTS_WITH(costs.unpriced_reason, 'rate changed:')) THEN 'a price turned within the day, load it again' END,
      CASE WHEN LOGICAL_OR(REGEXP_CONTAINS(costs.unpriced_reason, r'^(kind|quantity) unknown:'))
        THEN 'for what this release does not know none can be laid, and the report alone tells its cost' END
    ], '; ') AS mend
  FROM {costs} AS costs
  JOIN (SELECT DISTINCT usage_date, account FROM {bill} WHERE figure = 'computed') AS bill
    ON bill.usage_date = costs.usage_date AND bill.account = costs.account
  WHERE costs.unpriced_reason IS NOT NULL
  GROUP BY costs.usage_date
),
held AS (
  SELECT
    lines.usage_date,
    lines.account,
    lines.currency,
    SUM(ABS(lines.unexplained)) AS unexplained,
    GREATEST(SUM(ABS(COALESCE(lines.reported, 0))), SUM(ABS(COALESCE(lines.computed, 0)))) AS money
  FROM {compared} AS lines
  GROUP BY usage_date, account, currency
  HAVING COUNTIF(lines.remainder_state = 'hold') > 0
),
without_figure AS (
  SELECT lines.usage_date, lines.account, SUM(lines.computed_rows) AS computed_rows
  FROM {compared} AS lines
  LEFT JOIN (SELECT DISTINCT usage_date, account FROM {bill}) AS bill
    ON bill.usage_date = lines.usage_date AND bill.account = lines.account
  WHERE bill.account IS NULL
  GROUP BY lines.usage_date, lines.account
)
SELECT
  ranked.usage_date,
  'unpriced' AS completeness,
  CONCAT(
    'no price for ', STRING_AGG(CASE WHEN place <= 5 THEN model END, ', ' ORDER BY model),
    CASE WHEN MAX(models) > 5 THEN CONCAT(' and ', CAST(MAX(models) - 5 AS STRING), ' more') ELSE '' END,
    COALESCE(CONCAT('; ', MAX(mends.mend)), '')
  ) AS reason
FROM ranked
LEFT JOIN mends ON mends.usage_date = ranked.usage_date
GROUP BY ranked.usage_date
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
