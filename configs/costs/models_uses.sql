-- One provider's use by kind. A dataset of an earlier release lacks some of the columns, and what they say is then not known.
SELECT
  'asked_provider' AS provider,
  usage_date,
  account,
  project_id,
  user_id,
  api_key_id,
  LOWER(TRIM(COALESCE(model_told, model))) AS spelled_model,
  service_tier,
  -- as the bill has it, which tells images apart by their size
  COALESCE(CASE WHEN unit = 'image' THEN REGEXP_EXTRACT(detail, r'[0-9]+x[0-9]+') END, token_kind) AS token_kind,
  unit,
  CAST(quantity AS NUMERIC) AS quantity,
  currency,
  cost,
  may_be_long,
  cost_if_long,
  {cost_least} AS cost_least,
  {cost_most} AS cost_most,
  {cost_if_uncached} AS cost_if_uncached,
  {cost_if_standard} AS cost_if_standard
FROM asked_cost
WHERE usage_date BETWEEN @first_day AND @last_day
