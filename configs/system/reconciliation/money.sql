-- Each side's money is in both tables to the last digit, each currency by itself; and the parts of a difference are the difference.
WITH figures AS (
  SELECT DISTINCT usage_date, account, figure FROM {bill} WHERE figure IN ('reported', 'computed')
),
raw AS (
  SELECT currency, amount FROM {told}
),
said AS (
  SELECT usage_date, account, currency, amount + credit AS amount FROM {report}
),
priced AS (
  SELECT
    usage_date,
    account,
    COALESCE(currency, 'USD') AS coin,
    COALESCE(cost, CAST(0 AS BIGNUMERIC)) AS cost,
    service_tier IN {untold_tiers} AS untold
  FROM {costs}
),
told AS (
  SELECT currency, 'reported' AS side, SUM(amount) AS ours, CAST(0 AS BIGNUMERIC) AS theirs FROM raw GROUP BY currency
  UNION ALL
  SELECT currency, 'reported' AS side, CAST(0 AS BIGNUMERIC) AS ours, SUM(COALESCE(reported, 0)) AS theirs
  FROM {compared}
  GROUP BY currency
  UNION ALL
  SELECT coin AS currency, 'computed' AS side, SUM(cost) AS ours, CAST(0 AS BIGNUMERIC) AS theirs FROM priced GROUP BY coin
  UNION ALL
  SELECT currency, 'computed' AS side, CAST(0 AS BIGNUMERIC) AS ours, SUM(COALESCE(computed, 0)) AS theirs
  FROM {compared}
  GROUP BY currency
  UNION ALL
  SELECT said.currency, 'billed as reported' AS side, SUM(said.amount) AS ours, CAST(0 AS BIGNUMERIC) AS theirs
  FROM said
  JOIN figures ON figures.usage_date = said.usage_date AND figures.account = said.account AND figures.figure = 'reported'
  GROUP BY said.currency
  UNION ALL
  SELECT priced.coin AS currency, CONCAT('billed as ', figures.figure) AS side, SUM(priced.cost) AS ours, CAST(0 AS BIGNUMERIC) AS theirs
  FROM priced
  JOIN figures
    ON figures.usage_date = priced.usage_date
    AND figures.account = priced.account
    AND (figures.figure = 'computed' OR priced.untold)
  GROUP BY priced.coin, figures.figure
  UNION ALL
  SELECT currency, CONCAT('billed as ', figure) AS side, CAST(0 AS BIGNUMERIC) AS ours, SUM(net_cost) AS theirs
  FROM {bill}
  WHERE figure IN ('reported', 'computed')
  GROUP BY currency, figure
  UNION ALL
  SELECT
    currency,
    'different' AS side,
    SUM(COALESCE(reported, 0)) - SUM(COALESCE(computed, 0)) AS ours,
    SUM(
      cause_cache + cause_batch + cause_tier + cause_long_context + cause_rate_differs + cause_model_unknown + cause_not_in_usage
      + COALESCE(cause_not_in_report, CAST(0 AS BIGNUMERIC)) + cause_late_data + cause_rounding + unexplained
    ) AS theirs
  FROM {compared}
  GROUP BY currency
)
SELECT CONCAT(side, ' ', currency) AS what, SUM(ours) AS ours, SUM(theirs) AS theirs FROM told GROUP BY side, currency
