SELECT org_slug, company_name, subscription_plan, subscription_status, timezone, generation, created_at
FROM x_org_profile
