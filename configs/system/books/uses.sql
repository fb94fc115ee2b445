-- Every kind of use of these days, for which a rate is looked for; in each tier that it might have been charged by instead, too.
WITH told AS (
  SELECT DISTINCT model, service_tier, token_kind, kind_else, unit, region, price_window
  FROM {meters}
),
tiers AS (
  SELECT service_tier FROM told
  UNION DISTINCT
  SELECT 'standard'
  UNION DISTINCT
  SELECT 'batch'
)
SELECT DISTINCT told.model, tiers.service_tier, told.token_kind, told.kind_else, told.unit, told.region, told.price_window
FROM told
CROSS JOIN tiers
