SELECT
  p.org_slug,
  p.company_name,
  p.admin_email,
  p.status,
  p.timezone,
  p.dataset_id,
  p.created_at,
  s.plan_name,
  s.status AS subscription_status,
  s.trial_end_date,
  CASE
    WHEN p.status <> 'ACTIVE' THEN 'NO'
    WHEN s.status = 'ACTIVE' THEN 'YES'
    -- the day that was counted last is the organisation's own; the daily reset brings it up to date
    WHEN s.status = 'TRIAL' AND COALESCE(s.trial_end_date, q.usage_date) >= q.usage_date THEN 'YES'
    ELSE 'NO'
  END AS may_run,
  COALESCE(s.daily_run_limit, 0) AS daily_run_limit,
  COALESCE(s.monthly_run_limit, 0) AS monthly_run_limit,
  COALESCE(s.concurrent_run_limit, 0) AS concurrent_run_limit,
  q.usage_date,
  COALESCE(q.pipelines_run_today, 0) AS pipelines_run_today,
  COALESCE(q.pipelines_run_month, 0) AS pipelines_run_month,
  COALESCE(q.concurrent_pipelines_running, 0) AS concurrent_pipelines_running,
  q.last_run_at
FROM org_profiles AS p
LEFT JOIN org_subscriptions AS s ON s.org_slug = p.org_slug
LEFT JOIN org_usage_quotas AS q ON q.org_slug = p.org_slug
WHERE p.status <> 'ERASED'
