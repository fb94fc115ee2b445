-- Every kind of use of these days, for which a rate is looked for.
SELECT DISTINCT model, service_tier, token_kind, kind_else, unit
FROM {meters}
