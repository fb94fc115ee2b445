-- What balances tell of a day: between two samples a part that shrank was spent, one that grew was topped up or given. Gifts are spent first.
WITH ordered AS (
  SELECT
    *,
    TIMESTAMP(usage_date) AS day_start,
    TIMESTAMP_ADD(TIMESTAMP(usage_date), INTERVAL 86400 SECOND) AS day_end,
    LAG(sampled_at) OVER (PARTITION BY source, usage_date, currency ORDER BY sampled_at) AS since,
    topped_up_balance - LAG(topped_up_balance) OVER (PARTITION BY source, usage_date, currency ORDER BY sampled_at) AS paid_more,
    granted_balance - LAG(granted_balance) OVER (PARTITION BY source, usage_date, currency ORDER BY sampled_at) AS granted_more
  FROM {deepseek_balance_raw}
),

spans AS (
  SELECT
    *,
    since >= day_start AND sampled_at <= day_end AS within_day,
    sampled_at <= day_end AS ends_within,
    TIMESTAMP_DIFF(sampled_at, since, SECOND) AS seconds,
    -- of the span, in seconds since it began, the part that lies on this day
    GREATEST(TIMESTAMP_DIFF(day_start, since, SECOND), 0) AS begins,
    TIMESTAMP_DIFF(day_end, since, SECOND) AS ends,
    GREATEST(-paid_more, CAST(0 AS BIGNUMERIC)) AS paid,
    GREATEST(-granted_more, CAST(0 AS BIGNUMERIC)) AS granted,
    -- to nothing, and the paid-in part untouched: it expired, as it looks
    COALESCE(granted_more < 0 AND granted_balance = 0 AND paid_more = 0, FALSE) AS looks_expired
  FROM ordered
),

shared AS (
  SELECT
    *,
    CASE
      WHEN since IS NULL THEN NULL
      WHEN within_day OR seconds = 0 THEN paid
      ELSE CASE WHEN ends_within THEN paid ELSE BIGNUMERIC '0.0001' * DIV((CAST(paid * 10000 AS INT64) * ends), seconds) END
        - BIGNUMERIC '0.0001' * DIV((CAST(paid * 10000 AS INT64) * begins), seconds)
    END AS paid_here,
    CASE
      WHEN since IS NULL THEN NULL
      WHEN looks_expired THEN CAST(0 AS BIGNUMERIC)
      WHEN within_day OR seconds = 0 THEN granted
      ELSE CASE WHEN ends_within THEN granted ELSE BIGNUMERIC '0.0001' * DIV((CAST(granted * 10000 AS INT64) * ends), seconds) END
        - BIGNUMERIC '0.0001' * DIV((CAST(granted * 10000 AS INT64) * begins), seconds)
    END AS granted_here,
    -- what was topped up unseen may have been spent unseen too; while gifts are left none of it is
    since IS NOT NULL AND NOT (granted_more > 0 OR (paid_more > 0 AND granted_balance = 0)) AS bounded
  FROM spans
)

SELECT
  usage_date,
  REGEXP_REPLACE(source, r' balance$', '') AS account,
  currency,
  COUNTIF(sampled_at >= day_start AND sampled_at < day_end) AS samples,
  MIN(sampled_at) <= MIN(day_start) AND MAX(sampled_at) >= MIN(day_end) AS whole_day,
  -- a balance has two decimals
  GREATEST(SUM(CASE WHEN within_day THEN paid ELSE CAST(0 AS BIGNUMERIC) END) - BIGNUMERIC '0.01', CAST(0 AS BIGNUMERIC)) AS spend_least,
  SUM(paid_here) + SUM(granted_here) AS spend,
  CASE
    WHEN MIN(sampled_at) <= MIN(day_start) AND MAX(sampled_at) >= MIN(day_end) AND COUNTIF(since IS NOT NULL AND NOT bounded) = 0
      THEN SUM(paid) + SUM(granted) + BIGNUMERIC '0.01'
  END AS spend_most,
  SUM(granted_here) AS spend_granted,
  -- each on the day on which it was seen
  SUM(CASE WHEN ends_within AND sampled_at >= day_start THEN GREATEST(paid_more, CAST(0 AS BIGNUMERIC)) END) AS topped_up,
  SUM(CASE WHEN ends_within AND sampled_at >= day_start THEN GREATEST(granted_more, CAST(0 AS BIGNUMERIC)) END) AS gifts,
  SUM(CASE WHEN ends_within AND sampled_at >= day_start AND looks_expired THEN granted END) AS expired
FROM shared
GROUP BY usage_date, source, currency
