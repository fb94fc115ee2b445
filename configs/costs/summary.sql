-- What a range comes to beside the range it is compared with, with control totals and restatements: one statement, so that all of it is one snapshot.
WITH figures AS (
{figures_of_days}
),
found AS (
  SELECT
    usage_date,
    provider,
    CASE @group_1
      WHEN 'provider' THEN provider
      WHEN 'service' THEN service
      WHEN 'project' THEN project_id
      WHEN 'sku' THEN sku
      WHEN 'region' THEN region
      WHEN 'account' THEN account_id
      WHEN 'cost_type' THEN cost_type
      WHEN 'invoice_month' THEN invoice_month
    END AS key_1,
    CASE @group_2
      WHEN 'provider' THEN provider
      WHEN 'service' THEN service
      WHEN 'project' THEN project_id
      WHEN 'sku' THEN sku
      WHEN 'region' THEN region
      WHEN 'account' THEN account_id
      WHEN 'cost_type' THEN cost_type
      WHEN 'invoice_month' THEN invoice_month
    END AS key_2,
    currency,
    billed_cost,
    credits,
    net_cost,
    row_count
  FROM billing_cost_daily
  WHERE (usage_date BETWEEN @first_day AND @last_day OR usage_date BETWEEN @previous_day AND @previous_last)
    AND (@provider IS NULL OR provider = @provider)
    AND (@service IS NULL OR service = @service)
    AND (@project IS NULL OR project_id = @project)
    AND (@currency IS NULL OR currency = @currency)
),
kept AS (
  SELECT
    found.usage_date,
    found.provider,
    found.key_1,
    found.key_2,
    found.currency,
    found.billed_cost,
    found.credits,
    found.net_cost,
    found.row_count,
    -- a year and a day has one day in common with the year before
    found.usage_date >= @first_day AS is_now,
    found.usage_date <= @previous_last AS is_before,
    CASE WHEN found.usage_date >= @first_day THEN figures.figure END AS figure
  FROM found
  LEFT JOIN figures
    ON figures.usage_date = found.usage_date AND figures.provider = found.provider AND figures.currency = found.currency
),
sums AS (
  SELECT
    key_1,
    key_2,
    currency,
    SUM(CASE WHEN is_now THEN billed_cost END) AS billed_cost,
    SUM(CASE WHEN is_now THEN credits END) AS credits,
    SUM(CASE WHEN is_now THEN net_cost END) AS net_cost,
    SUM(CASE WHEN is_now THEN row_count END) AS row_count,
    SUM(CASE WHEN is_before THEN billed_cost END) AS billed_before,
    SUM(CASE WHEN is_before THEN credits END) AS credits_before,
    SUM(CASE WHEN is_before THEN net_cost END) AS net_before,
    SUM(CASE WHEN is_before THEN row_count END) AS rows_before,
    MIN(figure) AS figure_least,
    MAX(figure) AS figure_most,
    MIN(provider) AS first_provider,
    MAX(provider) AS last_provider
  FROM kept
  GROUP BY key_1, key_2, currency
),
ranked AS (
  -- Some providers' amounts have more decimals than an answer: each is rounded once, half away from zero.
  -- Amounts of two currencies have no order among them, so each currency has a ranking of its own.
  SELECT
    key_1,
    key_2,
    currency,
    CAST(billed_cost AS NUMERIC) AS billed_cost,
    CAST(credits AS NUMERIC) AS credits,
    CAST(net_cost AS NUMERIC) AS net_cost,
    row_count,
    CAST(billed_before AS NUMERIC) AS billed_before,
    CAST(credits_before AS NUMERIC) AS credits_before,
    CAST(net_before AS NUMERIC) AS net_before,
    rows_before,
    CASE WHEN figure_least = figure_most THEN figure_least WHEN figure_least IS NOT NULL THEN 'mixed' END AS figure,
    first_provider,
    last_provider,
    ROW_NUMBER() OVER (
      PARTITION BY currency
      ORDER BY COALESCE(sums.net_cost, 0) DESC, COALESCE(CONCAT('1', key_1), '0'), COALESCE(CONCAT('1', key_2), '0')
    ) AS place
  FROM sums
),
totals AS (
  SELECT
    currency,
    CAST(SUM(billed_cost) AS NUMERIC) AS billed_cost,
    CAST(SUM(credits) AS NUMERIC) AS credits,
    CAST(SUM(net_cost) AS NUMERIC) AS net_cost,
    SUM(row_count) AS row_count,
    CAST(SUM(billed_before) AS NUMERIC) AS billed_before,
    CAST(SUM(credits_before) AS NUMERIC) AS credits_before,
    CAST(SUM(net_before) AS NUMERIC) AS net_before,
    SUM(rows_before) AS rows_before,
    CASE
      WHEN MIN(figure_least) = MAX(figure_most) THEN MIN(figure_least)
      WHEN MIN(figure_least) IS NOT NULL THEN 'mixed'
    END AS figure,
    MIN(first_provider) AS first_provider,
    MAX(last_provider) AS last_provider
  FROM sums
  GROUP BY currency
),
marks AS (
  SELECT usage_date, provider, completeness, completeness_reason, source_as_of, published_at
  FROM x_cost_daily
  WHERE (usage_date BETWEEN @first_day AND @last_day OR usage_date BETWEEN @previous_day AND @previous_last)
    AND (@provider IS NULL OR provider = @provider)
),
payers AS (
  SELECT DISTINCT provider, currency FROM kept
),
unmarked AS (
  SELECT DISTINCT kept.usage_date, kept.provider
  FROM kept
  LEFT JOIN marks ON marks.usage_date = kept.usage_date AND marks.provider = kept.provider
  WHERE marks.provider IS NULL
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
  WHERE @provider IS NULL OR x_cost_daily.provider = @provider
  GROUP BY x_cost_daily.provider
),
invoices AS (
  SELECT
    provider, invoice_month, currency, billed_cost, credits, net_cost, row_count, figure, completeness, completeness_reason,
    pipeline_logging_id, published_at
  FROM (
{figures_of_months}
  ) AS x_cost_monthly
  WHERE invoice_month BETWEEN @first_month AND @last_month
    AND (@provider IS NULL OR provider = @provider)
    AND (@currency IS NULL OR currency = @currency)
),
changes AS (
  -- A period is YYYY-MM-DD or YYYYMM by its grain; as text a month may lie within a range of days that spans a year's end.
  SELECT
    provider, grain, period, currency, billed_before, billed_after, net_before, net_after, said_since, changed_at, reason,
    TO_JSON_STRING(causes) AS causes, pipeline_logging_id
  FROM x_cost_history
  WHERE (
    (grain = 'day' AND period BETWEEN @first_text AND @last_text)
    OR (grain = 'invoice_month' AND period BETWEEN @first_month AND @last_month)
  )
    AND (@provider IS NULL OR provider = @provider)
    AND (@currency IS NULL OR currency = @currency)
),
newest AS (
  SELECT * FROM changes ORDER BY changed_at DESC, period DESC, provider, currency LIMIT @changes_shown
)
SELECT
  (
    SELECT ARRAY_AGG(STRUCT(
      key_1 AS key_1, key_2 AS key_2, currency AS currency, billed_cost AS billed_cost, credits AS credits, net_cost AS net_cost,
      row_count AS row_count, billed_before AS billed_before, credits_before AS credits_before, net_before AS net_before,
      rows_before AS rows_before, figure AS figure, first_provider AS first_provider,
      last_provider AS last_provider, place AS place
    ))
    FROM ranked
    WHERE place <= @groups_shown
  ) AS sums,
  (SELECT COUNT(*) FROM ranked WHERE place > @groups_shown) AS groups_left_off,
  (
    SELECT ARRAY_AGG(STRUCT(
      currency AS currency, billed_cost AS billed_cost, credits AS credits, net_cost AS net_cost, row_count AS row_count,
      billed_before AS billed_before, credits_before AS credits_before, net_before AS net_before, rows_before AS rows_before,
      figure AS figure, first_provider AS first_provider, last_provider AS last_provider
    ))
    FROM totals
  ) AS totals,
  (SELECT ARRAY_AGG(STRUCT(provider AS provider, currency AS currency)) FROM payers) AS payers,
  (
    SELECT ARRAY_AGG(STRUCT(
      usage_date AS usage_date, provider AS provider, completeness AS status, completeness_reason AS reason,
      source_as_of AS source_as_of, published_at AS published_at
    ))
    FROM marks
  ) AS marks,
  (SELECT ARRAY_AGG(STRUCT(usage_date AS usage_date, provider AS provider)) FROM unmarked) AS unmarked,
  (SELECT ARRAY_AGG(STRUCT(provider AS provider, first_day AS first_day, first_used AS first_used, read_at AS read_at)) FROM spans) AS spans,
  (
    SELECT ARRAY_AGG(STRUCT(
      provider AS provider, invoice_month AS invoice_month, currency AS currency, billed_cost AS billed_cost, credits AS credits,
      net_cost AS net_cost, row_count AS row_count, figure AS figure, completeness AS completeness, completeness_reason AS completeness_reason,
      pipeline_logging_id AS pipeline_logging_id, published_at AS published_at
    ))
    FROM invoices
  ) AS invoices,
  (
    SELECT ARRAY_AGG(STRUCT(
      provider AS provider, grain AS grain, period AS period, currency AS currency, billed_before AS billed_before,
      billed_after AS billed_after, net_before AS net_before, net_after AS net_after, said_since AS said_since,
      changed_at AS changed_at, reason AS reason, causes AS causes,
      pipeline_logging_id AS pipeline_logging_id
    ))
    FROM newest
  ) AS changes,
  (SELECT COUNT(*) FROM changes) AS changes_found
