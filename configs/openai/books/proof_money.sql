-- Each side's money is in both tables to the last digit, each currency by itself; and the parts of a difference are the difference.
WITH figures AS (
  SELECT DISTINCT usage_date, account, figure FROM {openai_bill_daily}
),
raw AS (
  SELECT usage_date, REGEXP_REPLACE(source, r' costs$', '') AS account, currency, amount FROM {openai_costs_daily_raw}
),
priced AS (
  SELECT usage_date, account, COALESCE(currency, 'USD') AS coin, COALESCE(cost, CAST(0 AS BIGNUMERIC)) AS cost FROM {openai_cost_daily}
),
told AS (
  SELECT currency, 'reported' AS side, SUM(amount) AS ours, CAST(0 AS BIGNUMERIC) AS theirs FROM raw GROUP BY currency
  UNION ALL
  SELECT currency, 'reported' AS side, CAST(0 AS BIGNUMERIC) AS ours, SUM(COALESCE(reported, 0)) AS theirs
  FROM {openai_cost_reconciliation_daily}
  GROUP BY currency
  UNION ALL
  SELECT coin AS currency, 'computed' AS side, SUM(cost) AS ours, CAST(0 AS BIGNUMERIC) AS theirs FROM priced GROUP BY coin
  UNION ALL
  SELECT currency, 'computed' AS side, CAST(0 AS BIGNUMERIC) AS ours, SUM(COALESCE(computed, 0)) AS theirs
  FROM {openai_cost_reconciliation_daily}
  GROUP BY currency
  UNION ALL
  SELECT raw.currency, 'billed as reported' AS side, SUM(raw.amount) AS ours, CAST(0 AS BIGNUMERIC) AS theirs
  FROM raw
  JOIN figures ON figures.usage_date = raw.usage_date AND figures.account = raw.account AND figures.figure = 'reported'
  GROUP BY raw.currency
  UNION ALL
  SELECT priced.coin AS currency, 'billed as computed' AS side, SUM(priced.cost) AS ours, CAST(0 AS BIGNUMERIC) AS theirs
  FROM priced
  JOIN figures ON figures.usage_date = priced.usage_date AND figures.account = priced.account AND figures.figure = 'computed'
  GROUP BY priced.coin
  UNION ALL
  SELECT currency, CONCAT('billed as ', figure) AS side, CAST(0 AS BIGNUMERIC) AS ours, SUM(net_cost) AS theirs
  FROM {openai_bill_daily}
  GROUP BY currency, figure
  UNION ALL
  SELECT
    currency,
    'different' AS side,
    SUM(COALESCE(reported, 0)) - SUM(COALESCE(computed, 0)) AS ours,
    SUM(
      cause_cache + cause_batch + cause_tier + cause_long_context + cause_rate_differs + cause_model_unknown + cause_not_in_usage
      + cause_late_data + cause_rounding + unexplained
    ) AS theirs
  FROM {openai_cost_reconciliation_daily}
  GROUP BY currency
)
SELECT CONCAT(side, ' ', currency) AS what, SUM(ours) AS ours, SUM(theirs) AS theirs FROM told GROUP BY side, currency
