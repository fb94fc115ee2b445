-- One page of what models cost, with what their providers tell apart from it: one statement, so that all of it is one snapshot. Of a day
-- and account whose bill is computed the use itself is the bill, which says more than the bill's table; of all others the bill is as that
-- table has it. `whole` of a row is what it would lack: nothing may be told as all of a cost that a part of is missing from.
WITH uses AS (
{uses}
),
bills AS (
{bills}
),
asked_of AS (
{requests}
),
seats AS (
{seats}
),
apart AS (
{apart}
),
apart_looked AS (
{apart_looked}
),
computed AS (
  SELECT DISTINCT provider, usage_date, account FROM bills WHERE allocation = 'computed'
),
coins AS (
  -- what has no price has no currency; it is that of the account where the account has one
  SELECT provider, account, CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END AS currency
  FROM (
    SELECT provider, account, currency FROM uses
    UNION ALL
    SELECT provider, account, currency FROM bills WHERE allocation <> 'computed'
  ) AS each
  GROUP BY provider, account
),
use_coins AS (
  -- requests are told without a currency: it is that of the same use
  SELECT
    provider,
    usage_date,
    account,
    spelled_model,
    CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END AS currency
  FROM uses
  GROUP BY provider, usage_date, account, spelled_model
),
lines AS (
  SELECT
    uses.provider,
    uses.usage_date,
    uses.account,
    uses.project_id,
    uses.user_id,
    uses.api_key_id,
    -- as reconciliation names a model: without a day at its end, and a tuned one by what was tuned
    REGEXP_REPLACE(
      COALESCE(REGEXP_EXTRACT(uses.spelled_model, r'^(ft:[^:]+):'), uses.spelled_model),
      r'-([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4})$',
      ''
    ) AS model,
    uses.token_kind,
    uses.service_tier,
    COALESCE(uses.currency, coins.currency) AS currency,
    uses.unit,
    uses.quantity,
    CASE WHEN uses.unit = 'token' THEN uses.quantity END AS tokens,
    CASE WHEN uses.unit = 'token' AND uses.cost IS NULL AND uses.cost_least IS NULL THEN uses.quantity ELSE 0 END AS unpriced_tokens,
    uses.cost AS computed_cost,
    CASE WHEN computed.provider IS NOT NULL THEN 'computed' END AS figure,
    CASE WHEN computed.provider IS NOT NULL THEN uses.cost END AS cost,
    CASE WHEN uses.cost IS NOT NULL AND computed.provider IS NOT NULL THEN CAST(0 AS BIGNUMERIC) END AS credits,
    CASE
      WHEN computed.provider IS NULL THEN NULL
      WHEN uses.cost IS NULL THEN uses.cost_least
      WHEN uses.may_be_long THEN LEAST(uses.cost, COALESCE(uses.cost_if_long, uses.cost))
      ELSE uses.cost
    END AS least,
    CASE
      WHEN computed.provider IS NULL THEN NULL
      WHEN uses.cost IS NULL THEN uses.cost_most
      WHEN uses.may_be_long THEN GREATEST(uses.cost, COALESCE(uses.cost_if_long, uses.cost))
      ELSE uses.cost
    END AS most,
    computed.provider IS NOT NULL AND (uses.cost_least IS NOT NULL OR uses.may_be_long) AS ranged,
    computed.provider IS NOT NULL
      AND CASE WHEN uses.cost IS NULL THEN uses.cost_most IS NULL ELSE uses.may_be_long AND uses.cost_if_long IS NULL END AS boundless,
    computed.provider IS NOT NULL AND uses.cost IS NULL AND uses.cost_least IS NULL AS unpriced,
    uses.cost_if_uncached,
    uses.cost_if_standard,
    CAST(NULL AS INT64) AS requests
  FROM uses
  LEFT JOIN computed
    ON computed.provider = uses.provider AND computed.usage_date = uses.usage_date AND computed.account = uses.account
  LEFT JOIN coins ON coins.provider = uses.provider AND coins.account = uses.account
  UNION ALL
  SELECT
    provider,
    usage_date,
    account,
    project_id,
    CAST(NULL AS STRING) AS user_id,
    api_key_id,
    model,
    line_item AS token_kind,
    CAST(NULL AS STRING) AS service_tier,
    currency,
    CAST(NULL AS STRING) AS unit,
    CAST(NULL AS NUMERIC) AS quantity,
    CAST(NULL AS NUMERIC) AS tokens,
    CAST(0 AS NUMERIC) AS unpriced_tokens,
    CAST(NULL AS BIGNUMERIC) AS computed_cost,
    figure,
    cost,
    credits,
    cost AS least,
    cost AS most,
    FALSE AS ranged,
    unpriced_rows > 0 AS boundless,
    unpriced_rows > 0 AS unpriced,
    CAST(NULL AS BIGNUMERIC) AS cost_if_uncached,
    CAST(NULL AS BIGNUMERIC) AS cost_if_standard,
    CAST(NULL AS INT64) AS requests
  FROM bills
  WHERE allocation <> 'computed'
  UNION ALL
  SELECT
    asked_of.provider,
    asked_of.usage_date,
    asked_of.account,
    asked_of.project_id,
    CAST(NULL AS STRING) AS user_id,
    asked_of.api_key_id,
    REGEXP_REPLACE(
      COALESCE(REGEXP_EXTRACT(asked_of.spelled_model, r'^(ft:[^:]+):'), asked_of.spelled_model),
      r'-([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4})$',
      ''
    ) AS model,
    CAST(NULL AS STRING) AS token_kind,
    asked_of.service_tier,
    COALESCE(use_coins.currency, coins.currency) AS currency,
    CAST(NULL AS STRING) AS unit,
    CAST(NULL AS NUMERIC) AS quantity,
    CAST(NULL AS NUMERIC) AS tokens,
    CAST(0 AS NUMERIC) AS unpriced_tokens,
    CAST(NULL AS BIGNUMERIC) AS computed_cost,
    CAST(NULL AS STRING) AS figure,
    CAST(NULL AS BIGNUMERIC) AS cost,
    CAST(NULL AS BIGNUMERIC) AS credits,
    CAST(NULL AS BIGNUMERIC) AS least,
    CAST(NULL AS BIGNUMERIC) AS most,
    FALSE AS ranged,
    FALSE AS boundless,
    FALSE AS unpriced,
    CAST(NULL AS BIGNUMERIC) AS cost_if_uncached,
    CAST(NULL AS BIGNUMERIC) AS cost_if_standard,
    asked_of.requests
  FROM asked_of
  LEFT JOIN coins ON coins.provider = asked_of.provider AND coins.account = asked_of.account
  LEFT JOIN use_coins
    ON use_coins.provider = asked_of.provider
    AND use_coins.usage_date = asked_of.usage_date
    AND use_coins.account = asked_of.account
    AND use_coins.spelled_model = asked_of.spelled_model
  -- nobody tells requests by kind or by person
  WHERE 'token_kind' NOT IN (@group_1, @group_2, @group_3, @group_4)
    AND 'user' NOT IN (@group_1, @group_2, @group_3, @group_4)
    AND @token_kind IS NULL
),
keyed AS (
  SELECT
    *,
    CASE @group_1
      WHEN 'model' THEN model
      WHEN 'token_kind' THEN token_kind
      WHEN 'project' THEN project_id
      WHEN 'key' THEN api_key_id
      WHEN 'user' THEN user_id
      WHEN 'account' THEN account
      WHEN 'service_tier' THEN service_tier
      WHEN 'day' THEN CAST(usage_date AS STRING)
      WHEN 'month' THEN FORMAT_DATE('%Y%m', usage_date)
    END AS key_1,
    CASE @group_2
      WHEN 'model' THEN model
      WHEN 'token_kind' THEN token_kind
      WHEN 'project' THEN project_id
      WHEN 'key' THEN api_key_id
      WHEN 'user' THEN user_id
      WHEN 'account' THEN account
      WHEN 'service_tier' THEN service_tier
      WHEN 'day' THEN CAST(usage_date AS STRING)
      WHEN 'month' THEN FORMAT_DATE('%Y%m', usage_date)
    END AS key_2,
    CASE @group_3
      WHEN 'model' THEN model
      WHEN 'token_kind' THEN token_kind
      WHEN 'project' THEN project_id
      WHEN 'key' THEN api_key_id
      WHEN 'user' THEN user_id
      WHEN 'account' THEN account
      WHEN 'service_tier' THEN service_tier
      WHEN 'day' THEN CAST(usage_date AS STRING)
      WHEN 'month' THEN FORMAT_DATE('%Y%m', usage_date)
    END AS key_3,
    CASE @group_4
      WHEN 'model' THEN model
      WHEN 'token_kind' THEN token_kind
      WHEN 'project' THEN project_id
      WHEN 'key' THEN api_key_id
      WHEN 'user' THEN user_id
      WHEN 'account' THEN account
      WHEN 'service_tier' THEN service_tier
      WHEN 'day' THEN CAST(usage_date AS STRING)
      WHEN 'month' THEN FORMAT_DATE('%Y%m', usage_date)
    END AS key_4,
    unit = 'token' AND (STRPOS(token_kind, 'input') > 0 OR STARTS_WITH(token_kind, 'cache_write')) AS is_input,
    unit = 'token' AND STARTS_WITH(token_kind, 'cached_') AS is_cached,
    unit = 'token' AND (STARTS_WITH(token_kind, 'cached_') OR STARTS_WITH(token_kind, 'cache_write')) AS of_cache,
    unit = 'token' AND STARTS_WITH(service_tier, 'batch') AS is_batch
  FROM lines
  WHERE (@model IS NULL OR model = @model)
    AND (@token_kind IS NULL OR token_kind = @token_kind)
    AND (@project IS NULL OR project_id = @project)
    AND (@key IS NULL OR api_key_id = @key)
    AND (@currency IS NULL OR currency IS NULL OR currency = @currency)
),
cells AS (
  -- of each day, account and model by itself: whether its tokens have money and its money has tokens
  SELECT
    provider,
    usage_date,
    account,
    model,
    key_1,
    key_2,
    key_3,
    key_4,
    currency,
    MIN(unit) AS first_unit,
    MAX(unit) AS last_unit,
    COUNT(unit) AS used_rows,
    SUM(quantity) AS quantity,
    SUM(tokens) AS tokens,
    SUM(unpriced_tokens) AS unpriced_tokens,
    SUM(CASE WHEN is_input THEN tokens END) AS input_tokens,
    SUM(CASE WHEN is_cached THEN tokens END) AS cached_tokens,
    SUM(CASE WHEN is_batch THEN tokens END) AS batch_tokens,
    SUM(CASE WHEN of_cache THEN cost_if_uncached - computed_cost END) AS cache_saved,
    COUNTIF(of_cache AND (cost_if_uncached IS NULL OR computed_cost IS NULL)) AS cache_unknown,
    SUM(CASE WHEN is_batch THEN cost_if_standard - computed_cost END) AS batch_saved,
    COUNTIF(is_batch AND (cost_if_standard IS NULL OR computed_cost IS NULL)) AS batch_unknown,
    SUM(computed_cost) AS computed_cost,
    SUM(cost) AS cost,
    SUM(credits) AS credits,
    SUM(least) AS least,
    SUM(most) AS most,
    COUNTIF(ranged) AS ranged_rows,
    COUNTIF(boundless) AS boundless_rows,
    COUNTIF(unpriced) AS unpriced_rows,
    MIN(figure) AS first_figure,
    MAX(figure) AS last_figure,
    SUM(CAST(requests AS NUMERIC)) AS requests
  FROM keyed
  GROUP BY provider, usage_date, account, model, key_1, key_2, key_3, key_4, currency
),
sided AS (
  -- each cell stands in its row, and in the total of its currency
  SELECT
    each.side AS side,
    CASE WHEN each.side = 'row' THEN cells.provider END AS provider,
    CASE WHEN each.side = 'row' THEN cells.key_1 END AS key_1,
    CASE WHEN each.side = 'row' THEN cells.key_2 END AS key_2,
    CASE WHEN each.side = 'row' THEN cells.key_3 END AS key_3,
    CASE WHEN each.side = 'row' THEN cells.key_4 END AS key_4,
    cells.currency,
    cells.first_unit,
    cells.last_unit,
    cells.quantity,
    cells.tokens,
    cells.unpriced_tokens,
    cells.input_tokens,
    cells.cached_tokens,
    cells.batch_tokens,
    cells.cache_saved,
    cells.cache_unknown,
    cells.batch_saved,
    cells.batch_unknown,
    cells.computed_cost,
    cells.cost,
    cells.credits,
    cells.least,
    cells.most,
    cells.ranged_rows,
    cells.boundless_rows,
    cells.unpriced_rows,
    cells.first_figure,
    cells.last_figure,
    cells.requests,
    cells.used_rows > 0 AND cells.cost IS NULL AS untold,
    cells.tokens IS NOT NULL AND cells.cost IS NOT NULL AS charged,
    cells.tokens IS NOT NULL AND (cells.cost IS NULL OR cells.first_unit <> cells.last_unit) AS loose
  FROM cells
  CROSS JOIN UNNEST([STRUCT('row' AS side), STRUCT('total' AS side)]) AS each
),
sums AS (
  SELECT
    side,
    provider,
    key_1,
    key_2,
    key_3,
    key_4,
    currency,
    CASE WHEN MIN(first_unit) = MAX(last_unit) THEN MIN(first_unit) END AS unit,
    CASE WHEN MIN(first_unit) = MAX(last_unit) THEN SUM(quantity) END AS quantity,
    SUM(tokens) AS tokens,
    CASE WHEN COUNTIF(tokens IS NOT NULL AND requests IS NULL) = 0 THEN SUM(requests) END AS requests,
    CASE WHEN MIN(first_figure) = MAX(last_figure) THEN MIN(first_figure) WHEN MIN(first_figure) IS NOT NULL THEN 'mixed' END AS figure,
    SUM(cost) AS cost,
    SUM(credits) AS credits,
    CASE WHEN SUM(ranged_rows) > 0 THEN SUM(least) END AS cost_least,
    CASE WHEN SUM(ranged_rows) > 0 AND SUM(boundless_rows) = 0 THEN SUM(most) END AS cost_most,
    SUM(ranged_rows) AS ranged_rows,
    SUM(unpriced_rows) AS unpriced_rows,
    SUM(computed_cost) AS computed_cost,
    SUM(unpriced_tokens) AS unpriced_tokens,
    SUM(CASE WHEN charged THEN tokens END) AS charged_tokens,
    SUM(CASE WHEN charged THEN cost END) AS charged_cost,
    COUNTIF(loose) AS loose_cells,
    COUNTIF(untold) AS untold_cells,
    COUNTIF(first_figure = 'estimated' OR last_figure = 'estimated') AS estimated_cells,
    SUM(input_tokens) AS input_tokens,
    SUM(cached_tokens) AS cached_tokens,
    SUM(batch_tokens) AS batch_tokens,
    SUM(cache_saved) AS cache_saved,
    SUM(cache_unknown) AS cache_unknown,
    SUM(batch_saved) AS batch_saved,
    SUM(batch_unknown) AS batch_unknown
  FROM sided
  GROUP BY side, provider, key_1, key_2, key_3, key_4, currency
),
placed AS (
  -- a key that is empty sorts before every key that is not, and is another place than the empty text
  SELECT
    *,
    COALESCE(CONCAT('1', key_1), '0') AS place_1,
    COALESCE(CONCAT('1', key_2), '0') AS place_2,
    COALESCE(CONCAT('1', key_3), '0') AS place_3,
    COALESCE(CONCAT('1', key_4), '0') AS place_4,
    COALESCE(currency, '') AS place_5
  FROM sums
),
page AS (
  SELECT *
  FROM placed
  WHERE side = 'row'
    AND (
      @after_0 IS NULL
      OR provider > @after_0
      OR (
        provider = @after_0
        AND (
          place_1 > @after_1
          OR (
            place_1 = @after_1
            AND (
              place_2 > @after_2
              OR (
                place_2 = @after_2
                AND (
                  place_3 > @after_3
                  OR (
                    place_3 = @after_3
                    AND (place_4 > @after_4 OR (place_4 = @after_4 AND place_5 > @after_5))
                  )
                )
              )
            )
          )
        )
      )
    )
  ORDER BY provider, place_1, place_2, place_3, place_4, place_5
  LIMIT @page_rows
),
marks AS (
  SELECT usage_date, provider, completeness, completeness_reason, source_as_of, published_at
  FROM x_cost_daily
  WHERE usage_date BETWEEN @first_day AND @last_day AND provider IN UNNEST(@providers)
),
reads AS (
  SELECT provider, MAX(published_at) AS read_at FROM x_load_manifests GROUP BY provider
),
spans AS (
  SELECT
    x_cost_daily.provider,
    MIN(x_cost_daily.usage_date) AS first_day,
    MIN(CASE WHEN x_cost_daily.completeness <> 'missing' THEN x_cost_daily.usage_date END) AS first_used,
    MAX(reads.read_at) AS read_at
  FROM x_cost_daily
  LEFT JOIN reads ON reads.provider = x_cost_daily.provider
  WHERE x_cost_daily.provider IN UNNEST(@providers)
  GROUP BY x_cost_daily.provider
)
SELECT
  (
    SELECT ARRAY_AGG(STRUCT(
      provider AS provider, key_1 AS key_1, key_2 AS key_2, key_3 AS key_3, key_4 AS key_4, currency AS currency, unit AS unit,
      quantity AS quantity, tokens AS tokens, requests AS requests, figure AS figure, cost AS cost, credits AS credits,
      cost_least AS cost_least, cost_most AS cost_most, ranged_rows AS ranged_rows, unpriced_rows AS unpriced_rows,
      computed_cost AS computed_cost, unpriced_tokens AS unpriced_tokens, charged_tokens AS charged_tokens,
      charged_cost AS charged_cost, loose_cells AS loose_cells, untold_cells AS untold_cells, estimated_cells AS estimated_cells,
      input_tokens AS input_tokens,
      cached_tokens AS cached_tokens, batch_tokens AS batch_tokens, cache_saved AS cache_saved, cache_unknown AS cache_unknown, batch_saved AS batch_saved,
      batch_unknown AS batch_unknown, place_1 AS place_1, place_2 AS place_2, place_3 AS place_3, place_4 AS place_4, place_5 AS place_5
    ))
    FROM page
  ) AS page,
  (
    SELECT ARRAY_AGG(STRUCT(
      provider AS provider, key_1 AS key_1, key_2 AS key_2, key_3 AS key_3, key_4 AS key_4, currency AS currency, unit AS unit,
      quantity AS quantity, tokens AS tokens, requests AS requests, figure AS figure, cost AS cost, credits AS credits,
      cost_least AS cost_least, cost_most AS cost_most, ranged_rows AS ranged_rows, unpriced_rows AS unpriced_rows,
      computed_cost AS computed_cost, unpriced_tokens AS unpriced_tokens, charged_tokens AS charged_tokens,
      charged_cost AS charged_cost, loose_cells AS loose_cells, untold_cells AS untold_cells, estimated_cells AS estimated_cells,
      input_tokens AS input_tokens,
      cached_tokens AS cached_tokens, batch_tokens AS batch_tokens, cache_saved AS cache_saved, cache_unknown AS cache_unknown, batch_saved AS batch_saved,
      batch_unknown AS batch_unknown, place_5 AS place_5
    ))
    FROM placed
    WHERE side = 'total'
  ) AS totals,
  (
    SELECT ARRAY_AGG(STRUCT(
      provider AS provider, product AS product, model AS model, currency AS currency, sessions AS sessions, tokens AS tokens,
      amount AS amount, first_day AS first_day, last_day AS last_day
    ))
    FROM apart
  ) AS apart,
  (SELECT ARRAY_AGG(STRUCT(provider AS provider, first_day AS first_day, last_day AS last_day)) FROM apart_looked) AS apart_looked,
  (
    SELECT ARRAY_AGG(STRUCT(
      provider AS provider, invoice_month AS invoice_month, first_day AS first_day, last_day AS last_day, plan_name AS plan_name,
      billing_period AS billing_period, unit AS unit, seats AS seats, currency AS currency, cost AS cost, completeness AS completeness,
      completeness_reason AS completeness_reason
    ))
    FROM seats
  ) AS seats,
  (
    SELECT ARRAY_AGG(STRUCT(
      usage_date AS usage_date, provider AS provider, completeness AS status, completeness_reason AS reason,
      source_as_of AS source_as_of, published_at AS published_at
    ))
    FROM marks
  ) AS marks,
  (SELECT ARRAY_AGG(STRUCT(provider AS provider, first_day AS first_day, first_used AS first_used, read_at AS read_at)) FROM spans) AS spans
