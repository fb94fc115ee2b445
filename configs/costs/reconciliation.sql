-- One page of a provider's costs beside its own report, with how far the whole range is explained: one statement, so that all of it is
-- one snapshot. An amount is what its line comes to; a share is of amounts without their signs, so that no credit hides a charge.
WITH bills AS (
  SELECT
    usage_date,
    account,
    project_id,
    model,
    line_item,
    currency,
    SUM(net_cost) AS billed,
    MIN(figure) AS first_figure,
    MAX(figure) AS last_figure
  FROM asked_bill
  WHERE usage_date BETWEEN @first_day AND @last_day
  GROUP BY usage_date, account, project_id, model, line_item, currency
),
days AS (
  -- of all projects and models, whatever is asked for
  SELECT
    usage_date,
    account,
    CASE WHEN SUM(computed_rows) = 0 THEN 'reported' WHEN SUM(reported_rows) = 0 THEN 'computed' ELSE 'both' END AS sides
  FROM asked_reconciliation
  GROUP BY usage_date, account
),
held AS (
  SELECT
    said.*,
    days.sides,
    bills.billed,
    bills.first_figure,
    bills.last_figure,
    ABS(COALESCE(bills.billed, 0)) AS money
  FROM asked_reconciliation AS said
  JOIN days ON days.usage_date = said.usage_date AND days.account = said.account
  LEFT JOIN bills
    ON bills.usage_date = said.usage_date
    AND bills.account = said.account
    AND COALESCE(bills.project_id, '') = COALESCE(said.project_id, '')
    AND COALESCE(bills.model, '') = COALESCE(said.model_family, '')
    AND bills.line_item = said.line_item
    AND bills.currency = said.currency
  WHERE said.usage_date BETWEEN @first_day AND @last_day
    AND (@currency IS NULL OR said.currency = @currency)
    AND (@project IS NULL OR said.project_id = @project)
    AND (@model IS NULL OR said.model_family = @model)
),
sized AS (
  SELECT
    *,
    FORMAT_DATE('%Y%m', usage_date) AS month,
    LEAST(
      money,
      ABS(cause_rate_differs) + ABS(cause_model_unknown) + ABS(cause_not_in_usage) + ABS({cause_not_in_report})
        + ABS(cause_late_data) + ABS(unexplained)
    ) AS open_money
  FROM held
),
parts AS (
  SELECT
    sized.*,
    each.cause AS cause,
    each.amount AS amount
  FROM sized
  CROSS JOIN UNNEST([
    STRUCT('all' AS cause, difference AS amount),
    STRUCT('cache' AS cause, cause_cache AS amount),
    STRUCT('batch' AS cause, cause_batch AS amount),
    STRUCT('tier' AS cause, cause_tier AS amount),
    STRUCT('long_context' AS cause, cause_long_context AS amount),
    STRUCT('rate_differs' AS cause, cause_rate_differs AS amount),
    STRUCT('model_unknown' AS cause, cause_model_unknown AS amount),
    STRUCT('not_in_usage' AS cause, cause_not_in_usage AS amount),
    STRUCT('not_in_report' AS cause, {cause_not_in_report} AS amount),
    STRUCT('late_data' AS cause, cause_late_data AS amount),
    STRUCT('rounding' AS cause, cause_rounding AS amount),
    STRUCT('unexplained' AS cause, unexplained AS amount)
  ]) AS each
  WHERE ('cause' IN (@group_1, @group_2) AND each.cause <> 'all' AND each.amount <> 0)
    OR ('cause' NOT IN (@group_1, @group_2) AND each.cause = 'all')
),
keyed AS (
  SELECT
    CASE @group_1
      WHEN 'day' THEN CAST(usage_date AS STRING)
      WHEN 'month' THEN month
      WHEN 'account' THEN account
      WHEN 'project' THEN project_id
      WHEN 'model' THEN model_family
      WHEN 'line_item' THEN line_item
      WHEN 'cause' THEN cause
    END AS key_1,
    CASE @group_2
      WHEN 'day' THEN CAST(usage_date AS STRING)
      WHEN 'month' THEN month
      WHEN 'account' THEN account
      WHEN 'project' THEN project_id
      WHEN 'model' THEN model_family
      WHEN 'line_item' THEN line_item
      WHEN 'cause' THEN cause
    END AS key_2,
    parts.*,
    -- a line stands in several causes, and its money would be told with each
    cause = 'all' AS whole
  FROM parts
),
sums AS (
  SELECT
    key_1,
    key_2,
    currency,
    SUM(CASE WHEN whole THEN billed END) AS billed,
    SUM(CASE WHEN whole THEN computed END) AS computed,
    SUM(CASE WHEN whole THEN reported END) AS reported,
    SUM(amount) AS difference,
    SUM(CASE WHEN whole THEN cause_cache END) AS cause_cache,
    SUM(CASE WHEN whole THEN cause_batch END) AS cause_batch,
    SUM(CASE WHEN whole THEN cause_tier END) AS cause_tier,
    SUM(CASE WHEN whole THEN cause_long_context END) AS cause_long_context,
    SUM(CASE WHEN whole THEN cause_rate_differs END) AS cause_rate_differs,
    SUM(CASE WHEN whole THEN cause_model_unknown END) AS cause_model_unknown,
    SUM(CASE WHEN whole THEN cause_not_in_usage END) AS cause_not_in_usage,
    SUM(CASE WHEN whole THEN {cause_not_in_report} END) AS cause_not_in_report,
    SUM(CASE WHEN whole THEN cause_late_data END) AS cause_late_data,
    SUM(CASE WHEN whole THEN cause_rounding END) AS cause_rounding,
    SUM(CASE WHEN whole THEN unexplained END) AS unexplained,
    MIN(price_ratio) AS least_ratio,
    MAX(price_ratio) AS most_ratio,
    MIN(first_figure) AS first_figure,
    MAX(last_figure) AS last_figure,
    MIN(sides) AS first_sides,
    MAX(sides) AS last_sides,
    MAX(CASE remainder_state WHEN 'hold' THEN 2 WHEN 'warn' THEN 1 ELSE 0 END) AS state,
    COUNT(*) AS line_count
  FROM keyed
  GROUP BY key_1, key_2, currency
),
placed AS (
  -- a key that is empty sorts before every key that is not, and is another place than the empty text
  SELECT *, COALESCE(CONCAT('1', key_1), '0') AS place_1, COALESCE(CONCAT('1', key_2), '0') AS place_2
  FROM sums
),
page AS (
  SELECT *
  FROM placed
  WHERE @after_1 IS NULL
    OR place_1 > @after_1
    OR (place_1 = @after_1 AND (place_2 > @after_2 OR (place_2 = @after_2 AND currency > @after_3)))
  ORDER BY place_1, place_2, currency
  LIMIT @page_rows
),
months AS (
  SELECT
    month,
    currency,
    SUM(billed) AS billed,
    SUM(money) AS money,
    SUM(open_money) AS open_money,
    SUM(ABS(unexplained)) AS unexplained,
    SUM(ABS(cause_rate_differs)) AS rate_differs,
    SUM(ABS(cause_model_unknown)) AS model_unknown,
    SUM(ABS(cause_late_data)) AS late_data,
    SUM(ABS(cause_not_in_usage)) AS not_in_usage,
    SUM(ABS({cause_not_in_report})) AS not_in_report
  FROM sized
  GROUP BY month, currency
),
shown_days AS (
  SELECT
    usage_date,
    MIN(sides) AS first_sides,
    MAX(sides) AS last_sides,
    MIN(first_figure) AS first_figure,
    MAX(last_figure) AS last_figure
  FROM held
  GROUP BY usage_date
),
began AS (
  SELECT MIN(usage_date) AS first_day FROM days WHERE sides = 'both'
),
marks AS (
  SELECT usage_date, provider, completeness, completeness_reason, source_as_of, published_at
  FROM x_cost_daily
  WHERE provider = @provider AND usage_date BETWEEN @first_day AND @last_day
)
SELECT
  (
    SELECT ARRAY_AGG(STRUCT(
      key_1 AS key_1, key_2 AS key_2, currency AS currency, billed AS billed, computed AS computed, reported AS reported,
      difference AS difference, cause_cache AS cause_cache, cause_batch AS cause_batch, cause_tier AS cause_tier,
      cause_long_context AS cause_long_context, cause_rate_differs AS cause_rate_differs, cause_model_unknown AS cause_model_unknown,
      cause_not_in_usage AS cause_not_in_usage, cause_not_in_report AS cause_not_in_report, cause_late_data AS cause_late_data,
      cause_rounding AS cause_rounding, unexplained AS unexplained, least_ratio AS least_ratio, most_ratio AS most_ratio, first_figure AS first_figure,
      last_figure AS last_figure, first_sides AS first_sides, last_sides AS last_sides, state AS state, line_count AS line_count,
      place_1 AS place_1, place_2 AS place_2
    ))
    FROM page
  ) AS page,
  (
    SELECT ARRAY_AGG(STRUCT(
      month AS month, currency AS currency, billed AS billed, money AS money, open_money AS open_money, unexplained AS unexplained,
      rate_differs AS rate_differs, model_unknown AS model_unknown, late_data AS late_data, not_in_usage AS not_in_usage,
      not_in_report AS not_in_report
    ))
    FROM months
  ) AS months,
  (
    SELECT ARRAY_AGG(STRUCT(
      usage_date AS usage_date, first_sides AS first_sides, last_sides AS last_sides, first_figure AS first_figure,
      last_figure AS last_figure
    ))
    FROM shown_days
  ) AS days,
  (
    SELECT ARRAY_AGG(STRUCT(began.first_day AS first_day, told.told_since AS told_since))
    FROM began
    LEFT JOIN (SELECT usage_date, MIN(told_since) AS told_since FROM asked_reconciliation GROUP BY usage_date) AS told
      ON told.usage_date = began.first_day
    WHERE began.first_day IS NOT NULL
  ) AS began,
  (
    SELECT ARRAY_AGG(STRUCT(
      usage_date AS usage_date, provider AS provider, completeness AS status, completeness_reason AS reason,
      source_as_of AS source_as_of, published_at AS published_at
    ))
    FROM marks
  ) AS marks
