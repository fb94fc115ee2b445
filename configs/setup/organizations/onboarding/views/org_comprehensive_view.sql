-- One row a day that has runs or costs; one row without a day while there are none.
WITH runs AS (
  SELECT
    run_date AS day,
    COUNT(*) AS runs,
    COUNTIF(status = 'SUCCESS') AS runs_succeeded,
    COUNTIF(status = 'FAILED') AS runs_failed
  FROM x_meta_pipeline_runs
  GROUP BY run_date
),
costs AS (
  SELECT
    usage_date AS day,
    ARRAY_AGG(STRUCT(provider, currency, billed_cost, net_cost, completeness) ORDER BY provider, currency) AS costs
  FROM x_cost_daily
  GROUP BY usage_date
),
days AS (
  SELECT day FROM runs
  UNION DISTINCT
  SELECT day FROM costs
)
SELECT
  profile.org_slug,
  profile.company_name,
  profile.subscription_plan,
  profile.subscription_status,
  profile.timezone,
  days.day,
  COALESCE(runs.runs, 0) AS runs,
  COALESCE(runs.runs_succeeded, 0) AS runs_succeeded,
  COALESCE(runs.runs_failed, 0) AS runs_failed,
  costs.costs
FROM x_org_profile AS profile
LEFT JOIN days ON TRUE
LEFT JOIN runs ON runs.day = days.day
LEFT JOIN costs ON costs.day = days.day
