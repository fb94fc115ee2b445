-- What the organisation is taken to have been billed: of each day and account one of both figures, by the rule in force.
WITH parents AS (
  -- as reconciliation.sql has them
  SELECT pair.kind AS kind, pair.parent AS parent
  FROM UNNEST([
    STRUCT('image_input' AS kind, 'input' AS parent),
    STRUCT('cached_image_input' AS kind, 'cached_input' AS parent),
    STRUCT('cached_audio_input' AS kind, 'cached_input' AS parent),
    STRUCT('image_output' AS kind, 'output' AS parent)
  ]) AS pair
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
  FROM {openai_cost_reconciliation_daily}
  GROUP BY usage_date, account
),
named AS (
  SELECT
    usage_date,
    account,
    project_id,
    api_key_id,
    LOWER(TRIM(COALESCE(model_told, model))) AS spelled_model,
    COALESCE(CASE WHEN unit = 'image' THEN REGEXP_EXTRACT(detail, r'[0-9]+x[0-9]+') END, token_kind) AS kind,
    COALESCE(currency, 'USD') AS coin,
    cost
  FROM {openai_cost_daily}
),
used AS (
  SELECT
    usage_date,
    account,
    project_id,
    api_key_id,
    REGEXP_REPLACE(
      COALESCE(REGEXP_EXTRACT(spelled_model, r'^(ft:[^:]+):'), spelled_model), r'-([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4})$', ''
    ) AS model_family,
    kind,
    coin AS currency,
    COALESCE(SUM(cost), CAST(0 AS BIGNUMERIC)) AS cost,
    COUNT(*) AS row_count,
    COUNTIF(cost IS NULL) AS unpriced_rows
  FROM named
  GROUP BY usage_date, account, project_id, api_key_id, model_family, kind, currency
),
ours AS (
  -- where reconciliation has put it: a kind that the report does not tell apart stands beside what it is billed as
  SELECT
    used.usage_date,
    used.account,
    used.project_id,
    used.api_key_id,
    used.model_family,
    CASE WHEN cells.line_item IS NULL THEN COALESCE(parents.parent, used.kind) ELSE used.kind END AS placed,
    used.currency,
    SUM(used.cost) AS cost,
    SUM(used.row_count) AS row_count,
    SUM(used.unpriced_rows) AS unpriced_rows
  FROM used
  LEFT JOIN {openai_cost_reconciliation_daily} AS cells
    ON cells.line_item_known
    AND cells.computed_rows > 0
    AND cells.usage_date = used.usage_date
    AND cells.account = used.account
    AND COALESCE(cells.project_id, '') = COALESCE(used.project_id, '')
    AND cells.model_family = used.model_family
    AND cells.line_item = used.kind
    AND cells.currency = used.currency
  LEFT JOIN parents ON parents.kind = used.kind
  GROUP BY used.usage_date, used.account, used.project_id, used.api_key_id, used.model_family, placed, used.currency
),
spelled AS (
  SELECT cells.usage_date, cells.account, cells.project_id, cells.model_family, cells.line_item, cells.currency, said
  FROM {openai_cost_reconciliation_daily} AS cells, UNNEST(SPLIT(cells.reported_as, '\n')) AS said
),
lines AS (
  SELECT
    raw.usage_date,
    raw.account,
    raw.project_id,
    raw.api_key_id,
    raw.by_key,
    spelled.model_family,
    COALESCE(spelled.line_item, raw.said) AS line_item,
    raw.currency,
    CASE WHEN raw.amount < 0 THEN CAST(0 AS BIGNUMERIC) ELSE raw.amount END AS cost,
    CASE WHEN raw.amount < 0 THEN raw.amount ELSE CAST(0 AS BIGNUMERIC) END AS credits
  FROM (
    SELECT
      usage_date,
      REGEXP_REPLACE(source, r' costs$', '') AS account,
      project_id,
      api_key_id,
      api_key_id IS NOT NULL OR STRPOS(grouped_by, 'api_key_id') > 0 AS by_key,
      COALESCE(line_item, '') AS said,
      currency,
      amount
    FROM {openai_costs_daily_raw}
  ) AS raw
  JOIN figures ON figures.figure = 'reported' AND figures.usage_date = raw.usage_date AND figures.account = raw.account
  LEFT JOIN spelled
    ON spelled.said = raw.said
    AND spelled.usage_date = raw.usage_date
    AND spelled.account = raw.account
    AND COALESCE(spelled.project_id, '') = COALESCE(raw.project_id, '')
    AND spelled.currency = raw.currency
),
told AS (
  SELECT
    usage_date,
    account,
    project_id,
    api_key_id,
    by_key,
    model_family,
    line_item,
    currency,
    SUM(cost) AS cost,
    SUM(credits) AS credits,
    COUNT(*) AS row_count
  FROM lines
  GROUP BY usage_date, account, project_id, api_key_id, by_key, model_family, line_item, currency
),
keyed AS (
  SELECT
    usage_date,
    account,
    project_id,
    api_key_id,
    model_family,
    placed AS line_item,
    currency,
    SUM(cost) OVER cell AS whole,
    SUM(cost) OVER (cell ORDER BY COALESCE(api_key_id, '') ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS until_here,
    ROW_NUMBER() OVER (cell ORDER BY COALESCE(api_key_id, '')) AS place
  FROM ours
  WHERE cost > 0
  WINDOW cell AS (PARTITION BY usage_date, account, project_id, model_family, placed, currency)
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
    keyed.place IS NOT NULL AS allocated,
    COALESCE(keyed.place, 1) AS place,
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
    ON NOT told.by_key
    AND keyed.usage_date = told.usage_date
    AND keyed.account = told.account
    AND COALESCE(keyed.project_id, '') = COALESCE(told.project_id, '')
    AND keyed.model_family = told.model_family
    AND keyed.line_item = told.line_item
    AND keyed.currency = told.currency
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
    cost - CASE WHEN allocated AND place > 1 THEN LAG(cost) OVER cell ELSE CAST(0 AS BIGNUMERIC) END AS cost,
    credits - CASE WHEN allocated AND place > 1 THEN LAG(credits) OVER cell ELSE CAST(0 AS BIGNUMERIC) END AS credits,
    CASE WHEN place = 1 THEN row_count ELSE 0 END AS row_count
  FROM cut
  WINDOW cell AS (PARTITION BY usage_date, account, project_id, model_family, line_item, currency, allocated ORDER BY place)
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
  ours.usage_date,
  FORMAT_DATE('%Y%m', ours.usage_date) AS invoice_month,
  ours.account,
  ours.project_id,
  ours.api_key_id,
  ours.model_family AS model,
  ours.placed AS line_item,
  'computed' AS figure,
  'computed' AS allocation,
  ours.currency,
  ours.cost,
  CAST(0 AS BIGNUMERIC) AS credits,
  ours.cost AS net_cost,
  ours.unpriced_rows,
  ours.row_count,
  CAST(NULL AS TIMESTAMP) AS source_as_of
FROM ours
JOIN figures ON figures.figure = 'computed' AND figures.usage_date = ours.usage_date AND figures.account = ours.account
