-- Days whose figure is not to be taken as whole: usage that has no price, or has it only between two bounds, where usage is the figure;
-- money that nothing explains, and accounts that have no figure at all.
WITH parents AS (
  SELECT kind, parent FROM {parents}
),
computed AS (
  SELECT usage_date, account, currency, SUM(net_cost) AS figure_cost, SUM(unpriced_rows) AS unpriced_rows
  FROM {bill}
  WHERE figure = 'computed'
  GROUP BY usage_date, account, currency
),
computed_days AS (
  SELECT DISTINCT usage_date, account FROM computed
),
without_price AS (
  SELECT
    costs.usage_date,
    COALESCE(costs.model_told, costs.model) AS told_model,
    costs.token_kind,
    costs.unpriced_reason
  FROM {costs} AS costs
  JOIN computed_days AS bill ON bill.usage_date = costs.usage_date AND bill.account = costs.account
  WHERE costs.cost IS NULL AND costs.cost_least IS NULL
),
unpriced AS (
  SELECT usage_date, model
  FROM (SELECT usage_date, COALESCE({family}, token_kind) AS model FROM without_price) AS named
  GROUP BY usage_date, model
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
    usage_date,
    NULLIF(ARRAY_TO_STRING([
      CASE WHEN LOGICAL_OR(NOT REGEXP_CONTAINS(unpriced_reason, r'^(range|rate changed|kind unknown|quantity unknown|currency unknown|no currency):'))
        THEN CONCAT('lay the price and run ', {provider}, '/reprice') END,
      CASE WHEN LOGICAL_OR(STARTS_WITH(unpriced_reason, 'rate changed:')) THEN 'a price turned within the day, load it again' END,
      CASE WHEN LOGICAL_OR(REGEXP_CONTAINS(unpriced_reason, r'^(kind|quantity) unknown:'))
        THEN 'for what this release does not know none can be laid, and the report alone tells its cost' END,
      CASE WHEN LOGICAL_OR(REGEXP_CONTAINS(unpriced_reason, r'^(currency unknown|no currency):'))
        THEN 'nobody tells in which currency it is charged' END
    ], '; '), '') AS mend
  FROM without_price
  WHERE unpriced_reason IS NOT NULL
  GROUP BY usage_date
),
open AS (
  -- charged by one of several rates, or of requests that may have been long
  SELECT
    costs.usage_date,
    costs.account,
    costs.project_id,
    COALESCE(costs.model_told, costs.model) AS told_model,
    CASE WHEN {tells_kinds} THEN costs.token_kind ELSE 'usage' END AS kind,
    costs.currency,
    costs.cost IS NULL AS is_range,
    COALESCE(costs.cost, costs.cost_least) AS least,
    CASE WHEN costs.cost IS NULL THEN costs.cost_most ELSE costs.cost_if_long END AS most
  FROM {costs} AS costs
  JOIN computed_days AS bill ON bill.usage_date = costs.usage_date AND bill.account = costs.account
  WHERE costs.cost_least IS NOT NULL OR costs.cost_if_long > costs.cost
),
proven AS (
  -- lines of which the report says that no request was charged as a long one
  SELECT DISTINCT {place} AS place, line_item
  FROM {compared}
  WHERE line_item_known AND reported_rows > 0 AND computed_rows > 0
    AND unexplained = 0 AND cause_long_context = 0 AND cause_late_data = 0 AND cause_model_unknown = 0
),
bounds AS (
  SELECT
    open.usage_date,
    open.account,
    open.currency,
    LOGICAL_OR(open.is_range) AS has_range,
    LOGICAL_OR(NOT open.is_range) AS has_long,
    SUM(CASE WHEN open.is_range THEN open.least ELSE 0 END) AS more,
    CASE WHEN COUNT(open.most) = COUNT(*) THEN SUM(open.most - open.least) END AS width
  FROM (SELECT *, {place} AS place FROM (SELECT *, {family} AS model_family FROM open) AS named) AS open
  LEFT JOIN parents ON parents.kind = open.kind
  LEFT JOIN proven ON proven.place = open.place AND proven.line_item = open.kind
  LEFT JOIN proven AS proven_as ON proven_as.place = open.place AND proven_as.line_item = parents.parent
  WHERE open.is_range OR (proven.place IS NULL AND proven_as.place IS NULL)
  GROUP BY open.usage_date, open.account, open.currency
),
between_bounds AS (
  SELECT
    bounds.usage_date,
    CONCAT(
      bounds.account, ' cost ',
      CASE WHEN bounds.width IS NULL THEN '' ELSE 'between ' END,
      CAST(ROUND(computed.figure_cost + bounds.more, 4) AS STRING),
      CASE
        WHEN bounds.width IS NULL THEN ' or more'
        ELSE CONCAT(' and ', CAST(ROUND(computed.figure_cost + bounds.more + bounds.width, 4) AS STRING))
      END,
      ' ', bounds.currency, ': nobody tells ',
      ARRAY_TO_STRING([
        CASE WHEN bounds.has_range THEN 'by which of several rates some of it is charged' END,
        CASE WHEN bounds.has_long THEN 'how long its prompts were' END
      ], ' and ')
    ) AS reason
  FROM bounds
  JOIN computed
    ON computed.usage_date = bounds.usage_date AND computed.account = bounds.account AND computed.currency = bounds.currency
  -- what has no price may come to anything, and is told
  WHERE bounds.usage_date NOT IN (SELECT usage_date FROM unpriced)
),
untold AS (
  SELECT usage_date, account
  FROM {bill}
  WHERE allocation = 'untold' AND unpriced_rows > 0
  GROUP BY usage_date, account
),
nowhere AS (
  -- where a report is the figure: a model of which it tells nothing, and that has no price
  SELECT lines.usage_date, lines.account, COALESCE(lines.model_family, 'a model without a name') AS model
  FROM {compared} AS lines
  JOIN (SELECT DISTINCT usage_date, account FROM {bill} WHERE figure = 'reported') AS bill
    ON bill.usage_date = lines.usage_date AND bill.account = lines.account
  LEFT JOIN untold ON untold.usage_date = lines.usage_date AND untold.account = lines.account
  WHERE untold.account IS NULL
  GROUP BY lines.usage_date, lines.account, lines.project_id, lines.model_family
  HAVING SUM(lines.reported_rows) = 0
    AND SUM(CASE WHEN lines.quantity_unit = 'token' THEN lines.unpriced_quantity ELSE CAST(0 AS BIGNUMERIC) END) > 0
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
UNION ALL
SELECT usage_date, 'partial' AS completeness, STRING_AGG(reason, '; ' ORDER BY reason) AS reason
FROM between_bounds
GROUP BY usage_date
UNION ALL
SELECT
  usage_date,
  'partial' AS completeness,
  CONCAT(STRING_AGG(account, ', ' ORDER BY account), ': use of a tier that stands in no report has no price') AS reason
FROM untold
GROUP BY usage_date
UNION ALL
SELECT
  usage_date,
  'partial' AS completeness,
  CONCAT(STRING_AGG(DISTINCT model, ', ' ORDER BY model), ': used, in no line of the report, and without a price') AS reason
FROM nowhere
GROUP BY usage_date
