-- What the organisation is taken to have been billed: of each day and account one of both figures, by the rule in force.
WITH parents AS (
  SELECT kind, parent FROM {parents}
),
figures AS (
  SELECT
    usage_date,
    account,
    CASE
      WHEN @bill = 'computed' THEN 'computed'
      WHEN SUM(reported_rows) > 0 AND (@bill = 'reported' OR usage_date IN UNNEST(@settled) OR SUM(computed_rows) = 0) THEN 'reported'
      WHEN @bill = 'reported' THEN 'none'
      ELSE 'computed'
    END AS figure
  FROM {compared}
  GROUP BY usage_date, account
),
named AS (
  SELECT
    usage_date,
    account,
    project_id,
    api_key_id,
    COALESCE(model_told, model) AS told_model,
    service_tier IN {untold_tiers} AS untold,
    CASE
      WHEN {tells_kinds} THEN COALESCE(CASE WHEN unit = 'image' THEN REGEXP_EXTRACT(detail, r'[0-9]+x[0-9]+') END, token_kind)
      ELSE 'usage'
    END AS kind,
    COALESCE(currency, 'USD') AS coin,
    cost
  FROM {costs}
),
used AS (
  SELECT
    usage_date,
    account,
    project_id,
    api_key_id,
    {family} AS model_family,
    untold,
    kind,
    coin AS currency,
    COALESCE(SUM(cost), CAST(0 AS BIGNUMERIC)) AS cost,
    COUNT(*) AS row_count,
    COUNTIF(cost IS NULL) AS unpriced_rows
  FROM named
  GROUP BY usage_date, account, project_id, api_key_id, model_family, untold, kind, currency
),
cells AS (
  SELECT {place} AS place, line_item, SUM(computed_rows) AS computed_rows, SUM(reported_rows) AS reported_rows
  FROM {compared}
  WHERE line_item_known
  GROUP BY place, line_item
),
ours AS (
  -- where the comparison has put it: a kind that the report does not tell apart stands beside what it is billed as
  SELECT
    used.usage_date,
    used.account,
    used.project_id,
    used.api_key_id,
    used.model_family,
    used.untold,
    used.place,
    CASE WHEN cells.line_item IS NULL THEN COALESCE(parents.parent, used.kind) ELSE used.kind END AS placed,
    used.currency,
    SUM(used.cost) AS cost,
    SUM(used.row_count) AS row_count,
    SUM(used.unpriced_rows) AS unpriced_rows
  FROM (SELECT *, {place} AS place FROM used) AS used
  LEFT JOIN cells ON cells.computed_rows > 0 AND cells.place = used.place AND cells.line_item = used.kind
  LEFT JOIN parents ON parents.kind = used.kind
  GROUP BY
    used.usage_date, used.account, used.project_id, used.api_key_id, used.model_family, used.untold, used.place, placed, used.currency
),
said_lines AS (
  SELECT
    usage_date,
    account,
    project_id,
    api_key_id,
    by_key,
    {family} AS model_family,
    CASE WHEN line_item_known AND NOT {tells_kinds} THEN 'usage' ELSE line_item END AS line_item,
    line_item_known,
    currency,
    CASE WHEN amount < 0 THEN CAST(0 AS BIGNUMERIC) ELSE amount END AS cost,
    credit + CASE WHEN amount < 0 THEN amount ELSE CAST(0 AS BIGNUMERIC) END AS credits
  FROM (SELECT *, model_told AS told_model FROM {report}) AS report
),
lines AS (
  SELECT
    said.usage_date,
    said.account,
    said.project_id,
    said.api_key_id,
    said.by_key,
    said.model_family,
    said.place,
    CASE
      WHEN said.line_item_known AND cells.line_item IS NULL THEN COALESCE(parents.parent, said.line_item)
      ELSE said.line_item
    END AS line_item,
    said.currency,
    said.cost,
    said.credits
  FROM (SELECT *, {place} AS place FROM said_lines) AS said
  JOIN figures ON figures.figure = 'reported' AND figures.usage_date = said.usage_date AND figures.account = said.account
  LEFT JOIN cells ON cells.reported_rows > 0 AND cells.place = said.place AND cells.line_item = said.line_item
  LEFT JOIN parents ON parents.kind = said.line_item
),
told AS (
  SELECT
    usage_date,
    account,
    project_id,
    api_key_id,
    by_key,
    model_family,
    place,
    line_item,
    currency,
    SUM(cost) AS cost,
    SUM(credits) AS credits,
    COUNT(*) AS row_count
  FROM lines
  GROUP BY usage_date, account, project_id, api_key_id, by_key, model_family, place, line_item, currency
),
by_key AS (
  SELECT place, placed AS line_item, api_key_id, SUM(cost) AS cost
  FROM ours
  WHERE cost > 0 AND NOT untold
  GROUP BY place, placed, api_key_id
),
keyed AS (
  SELECT
    place,
    line_item,
    api_key_id,
    SUM(cost) OVER cell AS whole,
    SUM(cost) OVER (cell ORDER BY COALESCE(api_key_id, '') ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS until_here,
    ROW_NUMBER() OVER (cell ORDER BY COALESCE(api_key_id, '')) AS number_in_cell
  FROM by_key
  WINDOW cell AS (PARTITION BY place, line_item)
),
cut AS (
  -- a key has what lies between two cuts of the amount; the last cut is the amount, so that nothing is left or made
  SELECT
    told.usage_date,
    told.account,
    told.project_id,
    COALESCE(keyed.api_key_id, told.api_key_id) AS api_key_id,
    told.model_family,
    told.line_item,
    told.currency,
    keyed.number_in_cell IS NOT NULL AS allocated,
    COALESCE(keyed.number_in_cell, 1) AS number_in_cell,
    told.row_count,
    CASE WHEN keyed.until_here < keyed.whole THEN ROUND(told.cost * shared_until_here, 12) ELSE told.cost END AS cost,
    CASE WHEN keyed.until_here < keyed.whole THEN ROUND(told.credits * shared_until_here, 12) ELSE told.credits END AS credits
  FROM told
  LEFT JOIN (
    SELECT
      *,
      -- of costs too small to be divided the last key has all
      COALESCE(CAST(SAFE_DIVIDE(CAST(until_here * 1000000 AS NUMERIC), CAST(whole * 1000000 AS NUMERIC)) AS NUMERIC), 0) AS shared_until_here
    FROM keyed
  ) AS keyed
    ON NOT told.by_key AND keyed.place = told.place AND keyed.line_item = told.line_item
),
billed AS (
  SELECT
    usage_date,
    account,
    project_id,
    api_key_id,
    model_family,
    line_item,
    CASE WHEN allocated THEN 'allocated' ELSE 'billed' END AS allocation,
    currency,
    cost - CASE WHEN allocated AND number_in_cell > 1 THEN LAG(cost) OVER cell ELSE CAST(0 AS BIGNUMERIC) END AS cost,
    credits - CASE WHEN allocated AND number_in_cell > 1 THEN LAG(credits) OVER cell ELSE CAST(0 AS BIGNUMERIC) END AS credits,
    CASE WHEN number_in_cell = 1 THEN row_count ELSE 0 END AS row_count
  FROM cut
  WINDOW cell AS (PARTITION BY usage_date, account, project_id, model_family, line_item, currency, allocated ORDER BY number_in_cell)
),
computed AS (
  -- what stands in no report is added to it beside one, and is a part of the use like any other where there is none
  SELECT
    ours.usage_date,
    ours.account,
    ours.project_id,
    ours.api_key_id,
    ours.model_family,
    ours.placed,
    figures.figure,
    CASE WHEN figures.figure = 'reported' THEN 'untold' ELSE 'computed' END AS allocation,
    ours.currency,
    SUM(ours.cost) AS cost,
    SUM(ours.unpriced_rows) AS unpriced_rows,
    SUM(ours.row_count) AS row_count
  FROM ours
  JOIN figures
    ON figures.usage_date = ours.usage_date
    AND figures.account = ours.account
    AND (figures.figure = 'computed' OR (figures.figure = 'reported' AND ours.untold))
  GROUP BY
    ours.usage_date, ours.account, ours.project_id, ours.api_key_id, ours.model_family, ours.placed, figures.figure, allocation,
    ours.currency
)
SELECT
  usage_date,
  FORMAT_DATE('%Y%m', usage_date) AS invoice_month,
  account,
  project_id,
  api_key_id,
  model_family AS model,
  line_item,
  'reported' AS figure,
  allocation,
  currency,
  cost,
  credits,
  cost + credits AS net_cost,
  0 AS unpriced_rows,
  row_count,
  CAST(NULL AS TIMESTAMP) AS source_as_of
FROM billed
UNION ALL
SELECT
  usage_date,
  FORMAT_DATE('%Y%m', usage_date) AS invoice_month,
  account,
  project_id,
  api_key_id,
  model_family AS model,
  placed AS line_item,
  figure,
  allocation,
  currency,
  cost,
  CAST(0 AS BIGNUMERIC) AS credits,
  cost AS net_cost,
  unpriced_rows,
  row_count,
  CAST(NULL AS TIMESTAMP) AS source_as_of
FROM computed
UNION ALL
SELECT
  further.usage_date,
  further.invoice_month,
  further.account,
  further.project_id,
  further.api_key_id,
  further.model,
  further.line_item,
  further.figure,
  further.allocation,
  further.currency,
  further.cost,
  further.credits,
  further.net_cost,
  further.unpriced_rows,
  further.row_count,
  further.source_as_of
FROM {further} AS further
LEFT JOIN figures ON figures.figure <> 'none' AND figures.usage_date = further.usage_date AND figures.account = further.account
WHERE figures.account IS NULL
