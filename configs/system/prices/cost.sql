-- What each use comes to, by the rate card: what is charged for it since when and for prompts of which length (rate_card.py).
WITH looked_up AS (
  SELECT
    m.usage_date,
    m.bucket_start,
    m.bucket_end,
    m.account,
    m.endpoint,
    m.project_id,
    m.user_id,
    m.api_key_id,
    m.api_source,
    m.model AS model_told,
    r.model,
    r.name_rule,
    m.service_tier,
    m.token_kind,
    m.kind_else,
    r.token_kind AS charged_kind,
    m.quantity,
    m.unit,
    m.detail,
    m.prompt_tokens,
    -- where nobody knows how long the prompts were, none was longer than all of them
    COALESCE(m.prompt_tokens, m.prompt_tokens_most, 9223372036854775807) > r.doubt_over AS doubted,
    r.rate_id,
    r.price,
    r.per,
    r.unit AS price_unit,
    r.currency,
    r.unit_price,
    r.rest,
    r.rest_of,
    r.long_unit_price,
    r.long_rest,
    r.long_rest_of,
    r.long_most,
    r.price_rule,
    CASE
      WHEN r.told_model IS NULL THEN 'no rate: it was not looked up'
      WHEN r.valid_to < m.bucket_end THEN r.change_reason
      WHEN r.unpriced_reason IS NOT NULL THEN r.unpriced_reason
      WHEN m.quantity < 0 THEN 'quantity unknown: it is less than nothing'
      WHEN m.quantity > r.most THEN 'too large: the cost has more digits than are kept'
    END AS unpriced_reason
  FROM {meters} AS m
  LEFT JOIN rates AS r
    ON COALESCE(m.model, '') = r.told_model
      AND m.service_tier = r.told_tier
      AND m.token_kind = r.told_kind
      AND m.bucket_start >= r.valid_from
      AND m.bucket_start < r.valid_to
      -- meters tell a length of 1 at least, or none
      AND COALESCE(m.prompt_tokens, 1) > r.over_from
      AND COALESCE(m.prompt_tokens, 1) <= r.over_to
)

SELECT
  usage_date,
  bucket_start,
  bucket_end,
  account,
  endpoint,
  project_id,
  user_id,
  api_key_id,
  api_source,
  model_told,
  model,
  name_rule,
  service_tier,
  token_kind,
  kind_else,
  CASE WHEN unpriced_reason IS NULL THEN charged_kind END AS charged_kind,
  quantity,
  unit,
  detail,
  prompt_tokens,
  unpriced_reason IS NULL AND doubted AS may_be_long,
  CASE WHEN unpriced_reason IS NULL THEN rate_id END AS rate_id,
  CASE WHEN unpriced_reason IS NULL THEN price END AS price,
  CASE WHEN unpriced_reason IS NULL THEN per END AS per,
  CASE WHEN unpriced_reason IS NULL THEN price_unit END AS price_unit,
  CASE WHEN unpriced_reason IS NULL THEN currency END AS currency,
  -- a price for each unit may have more digits than are kept: what they come to is added in whole numbers, a half rounded up
  CASE
    WHEN unpriced_reason IS NOT NULL THEN NULL
    WHEN rest = 0 THEN unit_price * quantity
    ELSE unit_price * quantity + BIGNUMERIC '0.000000000000000001' * (
      rest * (DIV(quantity, rest_of)) + DIV((2 * rest * MOD(quantity, rest_of) + rest_of), (2 * rest_of))
    )
  END AS cost,
  CASE
    WHEN unpriced_reason IS NOT NULL OR NOT doubted OR quantity > long_most THEN NULL
    WHEN long_rest = 0 THEN long_unit_price * quantity
    ELSE long_unit_price * quantity + BIGNUMERIC '0.000000000000000001' * (
      long_rest * (DIV(quantity, long_rest_of)) + DIV((2 * long_rest * MOD(quantity, long_rest_of) + long_rest_of), (2 * long_rest_of))
    )
  END AS cost_if_long,
  unpriced_reason,
  CASE
    WHEN unpriced_reason IS NOT NULL THEN NULL
    WHEN NOT doubted THEN price_rule
    WHEN quantity <= long_most THEN CONCAT(price_rule, '+may_be_long')
    ELSE CONCAT(price_rule, '+long_untold')
  END AS price_rule
FROM looked_up
