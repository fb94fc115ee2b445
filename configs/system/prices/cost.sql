-- What each use comes to: by the price that its provider tells with it, else by the rate card, which says what is charged for it since when
-- and for prompts of which length (rate_card.py).
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
    m.region,
    m.price_window,
    m.token_kind,
    m.kind_else,
    r.token_kind AS charged_kind,
    m.quantity,
    m.unit,
    m.detail,
    m.prompt_tokens,
    -- where nobody knows how long the prompts were, none was longer than all of them
    COALESCE(m.prompt_tokens, m.prompt_tokens_most, 9223372036854775807) > r.doubt_over AS doubted,
    m.price_told,
    m.currency_told,
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
    r.least_price,
    r.most_price,
    r.uncached_price,
    r.uncached_most_price,
    r.standard_price,
    -- of a use during which one of these prices changes it is not known
    COALESCE(m.quantity >= 0 AND m.quantity <= r.beside_most AND r.valid_to >= m.bucket_end, FALSE) AS beside_known,
    r.price_rule,
    CASE
      WHEN m.price_told IS NOT NULL THEN CASE
        WHEN m.currency_told IS NULL THEN 'no currency: a price is told without one'
        WHEN m.quantity < 0 OR m.price_told < 0 THEN 'quantity unknown: it is less than nothing, or its price is'
        WHEN m.quantity > 999999999999999 OR m.price_told >= 100000 THEN 'too large: the cost has more digits than are kept'
      END
      WHEN r.told_model IS NULL THEN 'no rate: it was not looked up'
      -- a rate is no price of an account that is charged in another currency
      WHEN m.currency_told = 'XXX' THEN 'currency unknown: nobody tells in which its account is charged'
      WHEN m.currency_told <> r.currency THEN CONCAT('no rate: the account pays in ', m.currency_told, ', and the rate is in ', r.currency)
      WHEN r.rate_until < m.bucket_end THEN r.change_reason
      WHEN r.unpriced_reason IS NOT NULL THEN r.unpriced_reason
      WHEN m.quantity < 0 THEN 'quantity unknown: it is less than nothing'
      WHEN m.quantity > r.most THEN 'too large: the cost has more digits than are kept'
    END AS unpriced_reason
  FROM {meters} AS m
  LEFT JOIN rates AS r
    ON COALESCE(m.model, '') = r.told_model
      AND m.service_tier = r.told_tier
      AND m.token_kind = r.told_kind
      AND m.region = r.told_region
      AND m.price_window = r.told_window
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
  CASE WHEN unpriced_reason IS NOT NULL THEN NULL WHEN price_told IS NOT NULL THEN token_kind ELSE charged_kind END AS charged_kind,
  quantity,
  unit,
  detail,
  prompt_tokens,
  unpriced_reason IS NULL AND price_told IS NULL AND doubted AS may_be_long,
  CASE WHEN unpriced_reason IS NULL AND price_told IS NULL THEN rate_id END AS rate_id,
  CASE WHEN unpriced_reason IS NULL THEN COALESCE(price_told, price) END AS price,
  CASE WHEN unpriced_reason IS NOT NULL THEN NULL WHEN price_told IS NOT NULL THEN 1 ELSE per END AS per,
  CASE WHEN unpriced_reason IS NOT NULL THEN NULL WHEN price_told IS NOT NULL THEN unit ELSE price_unit END AS price_unit,
  CASE
    WHEN unpriced_reason IS NULL THEN CASE WHEN price_told IS NOT NULL THEN currency_told ELSE currency END
    -- of a range, which has no cost and is in a currency
    WHEN is_range THEN currency
  END AS currency,
  -- a price for each unit may have more digits than are kept: what they come to is added in whole numbers, a half rounded up
  CASE
    WHEN unpriced_reason IS NOT NULL THEN NULL
    WHEN price_told IS NOT NULL THEN price_told * quantity
    WHEN rest = 0 THEN unit_price * quantity
    ELSE unit_price * quantity + BIGNUMERIC '0.000000000000000001' * (
      rest * (DIV(quantity, rest_of)) + DIV((2 * rest * MOD(quantity, rest_of) + rest_of), (2 * rest_of))
    )
  END AS cost,
  CASE
    WHEN unpriced_reason IS NOT NULL OR price_told IS NOT NULL OR NOT doubted OR quantity > long_most THEN NULL
    WHEN long_rest = 0 THEN long_unit_price * quantity
    ELSE long_unit_price * quantity + BIGNUMERIC '0.000000000000000001' * (
      long_rest * (DIV(quantity, long_rest_of)) + DIV((2 * long_rest * MOD(quantity, long_rest_of) + long_rest_of), (2 * long_rest_of))
    )
  END AS cost_if_long,
  unpriced_reason,
  CASE
    WHEN unpriced_reason IS NOT NULL THEN NULL
    WHEN price_told IS NOT NULL THEN 'told'
    WHEN NOT doubted THEN price_rule
    WHEN quantity <= long_most THEN CONCAT(price_rule, '+may_be_long')
    ELSE CONCAT(price_rule, '+long_untold')
  END AS price_rule,
  region,
  price_window,
  -- of several rates one applies, and nobody tells which
  CASE WHEN is_range THEN least_price * quantity END AS cost_least,
  CASE WHEN is_range THEN most_price * quantity END AS cost_most,
  CASE
    WHEN NOT beside_known OR unpriced_reason IS NOT NULL THEN NULL
    WHEN price_told IS NULL THEN uncached_price * quantity
    -- a price that is told tells which of the rates it was
    WHEN currency_told <> currency THEN NULL
    WHEN price_told = COALESCE(least_price, CASE WHEN rest = 0 THEN unit_price END) THEN uncached_price * quantity
    WHEN price_told = most_price THEN uncached_most_price * quantity
  END AS cost_if_uncached,
  CASE WHEN beside_known AND unpriced_reason IS NULL AND price_told IS NULL THEN standard_price * quantity END AS cost_if_standard
FROM (SELECT *, beside_known AND price_told IS NULL AND STARTS_WITH(unpriced_reason, 'range: ') AS is_range FROM looked_up) AS told
