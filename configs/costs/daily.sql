-- One page of costs by day with what its answer says of the whole range: one statement, so that all of it is one snapshot.
WITH kept AS (
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
  WHERE usage_date BETWEEN @first_day AND @last_day
    AND (@provider IS NULL OR provider = @provider)
    AND (@service IS NULL OR service = @service)
    AND (@project IS NULL OR project_id = @project)
    AND (@currency IS NULL OR currency = @currency)
),
figures AS (
{figures_of_days}
),
found AS (
  SELECT
    usage_date,
    provider,
    key_1,
    key_2,
    currency,
    SUM(billed_cost) AS billed_cost,
    SUM(credits) AS credits,
    SUM(net_cost) AS net_cost,
    SUM(row_count) AS row_count
  FROM kept
  GROUP BY usage_date, provider, key_1, key_2, currency
),
sums AS (
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
    figures.figure
  FROM found
  LEFT JOIN figures
    ON figures.usage_date = found.usage_date AND figures.provider = found.provider AND figures.currency = found.currency
),
marks AS (
  SELECT usage_date, provider, completeness, completeness_reason, source_as_of, published_at
  FROM x_cost_daily
  WHERE usage_date BETWEEN @first_day AND @last_day AND (@provider IS NULL OR provider = @provider)
),
unmarked AS (
  SELECT DISTINCT sums.usage_date, sums.provider
  FROM sums
  LEFT JOIN marks ON marks.usage_date = sums.usage_date AND marks.provider = sums.provider
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
told_used AS (
  -- a day and the provider that is used since then
  SELECT SUBSTR(told, 12) AS provider, CAST(SUBSTR(told, 1, 10) AS DATE) AS used_since
  FROM UNNEST(@used_since) AS told
  WHERE told <> ''
),
awaited AS (
  -- any day may hold money of what was never asked for it, but for days before it was used; what was read goes before what was said
  SELECT asked_for.provider, MIN(LEAST(told_used.used_since, COALESCE(asked_for.first_used, told_used.used_since))) AS used_since
  FROM (
    SELECT provider, first_used FROM spans
    UNION ALL
    SELECT provider, CAST(NULL AS DATE) AS first_used FROM UNNEST(@unread) AS provider WHERE provider <> ''
  ) AS asked_for
  LEFT JOIN told_used ON told_used.provider = asked_for.provider
  GROUP BY asked_for.provider
),
days AS (
  SELECT usage_date FROM UNNEST(GENERATE_DATE_ARRAY(@first_day, @last_day)) AS usage_date
),
expected AS (
  -- Beside each day stands every provider that is used, where rows are told apart by provider.
  SELECT days.usage_date, awaited.provider
  FROM days
  LEFT JOIN awaited ON (awaited.used_since IS NULL OR awaited.used_since <= days.usage_date) AND 'provider' IN (@group_1, @group_2)
),
gaps AS (
  SELECT expected.usage_date, expected.provider
  FROM expected
  WHERE NOT EXISTS (
    SELECT 1 FROM sums
    WHERE sums.usage_date = expected.usage_date AND (expected.provider IS NULL OR sums.provider = expected.provider)
  )
),
lines AS (
  -- some providers' amounts have more decimals than an answer: each is rounded once, half away from zero
  SELECT
    usage_date,
    key_1,
    key_2,
    currency,
    CAST(SUM(billed_cost) AS NUMERIC) AS billed_cost,
    CAST(SUM(credits) AS NUMERIC) AS credits,
    CAST(SUM(net_cost) AS NUMERIC) AS net_cost,
    SUM(row_count) AS row_count,
    CASE WHEN MIN(figure) = MAX(figure) THEN MIN(figure) WHEN MIN(figure) IS NOT NULL THEN 'mixed' END AS figure
  FROM sums
  GROUP BY usage_date, key_1, key_2, currency
  UNION ALL
  SELECT
    usage_date,
    CASE WHEN @group_1 = 'provider' THEN provider END AS key_1,
    CASE WHEN @group_2 = 'provider' THEN provider END AS key_2,
    CAST(NULL AS STRING) AS currency,
    CAST(NULL AS NUMERIC) AS billed_cost,
    CAST(NULL AS NUMERIC) AS credits,
    CAST(NULL AS NUMERIC) AS net_cost,
    CAST(NULL AS INT64) AS row_count,
    CAST(NULL AS STRING) AS figure
  FROM gaps
),
placed AS (
  -- A key that is empty sorts before every key that is not, and is another place than the empty text.
  SELECT
    usage_date,
    key_1,
    key_2,
    currency,
    billed_cost,
    credits,
    net_cost,
    row_count,
    figure,
    COALESCE(CONCAT('1', key_1), '0') AS place_1,
    COALESCE(CONCAT('1', key_2), '0') AS place_2,
    COALESCE(currency, '') AS place_3
  FROM lines
),
page AS (
  SELECT *
  FROM placed
  WHERE @after_day IS NULL
    OR usage_date > @after_day
    OR (
      usage_date = @after_day
      AND (
        place_1 > @after_1
        OR (place_1 = @after_1 AND (place_2 > @after_2 OR (place_2 = @after_2 AND place_3 > @after_3)))
      )
    )
  ORDER BY usage_date, place_1, place_2, place_3
  LIMIT @page_rows
),
totals AS (
  SELECT
    currency,
    CAST(SUM(billed_cost) AS NUMERIC) AS billed_cost,
    CAST(SUM(credits) AS NUMERIC) AS credits,
    CAST(SUM(net_cost) AS NUMERIC) AS net_cost,
    SUM(row_count) AS row_count,
    CASE WHEN MIN(figure) = MAX(figure) THEN MIN(figure) WHEN MIN(figure) IS NOT NULL THEN 'mixed' END AS figure
  FROM sums
  GROUP BY currency
)
SELECT
  (
    SELECT ARRAY_AGG(STRUCT(
      usage_date AS usage_date, key_1 AS key_1, key_2 AS key_2, currency AS currency, billed_cost AS billed_cost, credits AS credits,
      net_cost AS net_cost, row_count AS row_count, figure AS figure, place_1 AS place_1, place_2 AS place_2, place_3 AS place_3
    ))
    FROM page
  ) AS page,
  (
    SELECT ARRAY_AGG(STRUCT(
      currency AS currency, billed_cost AS billed_cost, credits AS credits, net_cost AS net_cost, row_count AS row_count,
      figure AS figure
    ))
    FROM totals
  ) AS totals,
  (
    SELECT ARRAY_AGG(STRUCT(
      usage_date AS usage_date, provider AS provider, completeness AS status, completeness_reason AS reason,
      source_as_of AS source_as_of, published_at AS published_at
    ))
    FROM marks
  ) AS marks,
  (SELECT ARRAY_AGG(STRUCT(usage_date AS usage_date, provider AS provider)) FROM unmarked) AS unmarked,
  (SELECT ARRAY_AGG(STRUCT(provider AS provider, first_day AS first_day, first_used AS first_used, read_at AS read_at)) FROM spans) AS spans
