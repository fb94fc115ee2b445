-- Both sides of a day by line item, and each difference by its cause: the first statement of arithmetic that holds. Formulas and
-- their order: docs/reference/reconciliation.md.
WITH parents AS (
  SELECT kind, parent FROM {parents}
),
said_lines AS (
  SELECT
    usage_date,
    account,
    project_id,
    {family} AS model_family,
    CASE WHEN line_item_known AND NOT {tells_kinds} THEN 'usage' ELSE line_item END AS line_item,
    line_item_known,
    stands_apart,
    said,
    currency,
    amount,
    unit,
    quantity
  FROM (SELECT *, model_told AS told_model FROM {report}) AS report
),
lines AS (
  SELECT
    *,
    {place} AS place,
    CASE
      WHEN amount = ROUND(amount, 2) THEN 2
      WHEN amount = ROUND(amount, 4) THEN CASE WHEN amount = ROUND(amount, 3) THEN 3 ELSE 4 END
      WHEN amount = ROUND(amount, 6) THEN CASE WHEN amount = ROUND(amount, 5) THEN 5 ELSE 6 END
      WHEN amount = ROUND(amount, 8) THEN CASE WHEN amount = ROUND(amount, 7) THEN 7 ELSE 8 END
      WHEN amount = ROUND(amount, 10) THEN CASE WHEN amount = ROUND(amount, 9) THEN 9 ELSE 10 END
      WHEN amount = ROUND(amount, 11) THEN 11
      -- a binary fraction keeps no more of an amount
      ELSE 12
    END AS decimals
  FROM said_lines
),
used AS (
  SELECT
    usage_date,
    bucket_start,
    account,
    project_id,
    COALESCE(model_told, model) AS told_model,
    service_tier,
    COALESCE(region, 'any') AS region,
    COALESCE(price_window, 'any') AS price_window,
    token_kind,
    CASE WHEN unit = 'image' THEN detail END AS image,
    GREATEST(COALESCE(prompt_tokens, 1), 1) AS length,
    unit,
    currency AS coin,
    price_unit,
    price,
    per,
    COUNT(*) AS row_count,
    COUNT(cost) AS priced_rows,
    SUM(quantity) AS quantity,
    SUM(CASE WHEN cost IS NULL THEN quantity ELSE 0 END) AS unpriced_quantity,
    SUM(cost) AS cost,
    SUM(cost_if_long - cost) AS if_long
  FROM {costs}
  GROUP BY
    usage_date, bucket_start, account, project_id, told_model, service_tier, region, price_window, token_kind, image, length, unit, coin,
    price_unit, price, per
),
models AS (
  SELECT told_model, {family} AS model_family FROM (SELECT DISTINCT told_model FROM used) AS named
),
named AS (
  SELECT
    used.*,
    models.model_family,
    -- what stands in no report
    used.service_tier IN {untold_tiers} AS untold,
    -- images are told by their size
    CASE
      WHEN {tells_kinds} THEN COALESCE(REGEXP_EXTRACT(used.image, r'[0-9]+x[0-9]+'), used.token_kind)
      ELSE 'usage'
    END AS line_item,
    COALESCE(used.coin, 'USD') AS currency,
    -- of one of them, where the price is of as many as is divided by exactly
    CASE
      WHEN used.price_unit = used.unit
        THEN ROUND(
          used.price
            * CASE used.per WHEN 1 THEN CAST('1' AS NUMERIC) WHEN 1000 THEN CAST('0.001' AS NUMERIC) WHEN 1000000 THEN CAST('0.000001' AS NUMERIC) END,
          18
        )
    END AS price_each
  FROM used
  LEFT JOIN models ON models.told_model = used.told_model
),
priced AS (
  SELECT *, {place} AS place FROM named
),
kinds AS (
  SELECT place, line_item, MAX(ours) AS ours, MAX(theirs) AS theirs
  FROM (
    SELECT place, line_item, 1 AS ours, 0 AS theirs FROM priced
    UNION ALL
    SELECT place, line_item, 0 AS ours, 1 AS theirs FROM lines WHERE line_item_known
  ) AS both_sides
  GROUP BY place, line_item
),
folds AS (
  -- where one side alone tells a kind apart, and the other has what it is billed as
  SELECT kinds.place, kinds.line_item, parents.parent
  FROM kinds
  JOIN parents ON parents.kind = kinds.line_item
  JOIN kinds AS beside ON beside.line_item = parents.parent AND beside.place = kinds.place
  WHERE (kinds.theirs = 0 AND beside.theirs = 1) OR (kinds.ours = 0 AND beside.ours = 1)
),
ours AS (
  SELECT priced.* EXCEPT (line_item), COALESCE(folds.parent, priced.line_item) AS line_item
  FROM priced
  LEFT JOIN folds ON folds.line_item = priced.line_item AND folds.place = priced.place
),
theirs AS (
  SELECT lines.* EXCEPT (line_item), COALESCE(folds.parent, lines.line_item) AS line_item
  FROM lines
  LEFT JOIN folds ON lines.line_item_known AND folds.line_item = lines.line_item AND folds.place = lines.place
),
prices AS (
  -- a price with more digits than are kept would not come to an exact sum
  SELECT told_model, told_tier, told_kind, told_region, told_window, valid_from, valid_to, over_from, over_to, unit_price
  FROM rates
  WHERE unit_price IS NOT NULL AND rest = 0
),
swaps AS (
  SELECT pair.kind AS kind, pair.other AS other
  FROM UNNEST([
    STRUCT('input' AS kind, 'cached_input' AS other),
    STRUCT('cached_input' AS kind, 'input' AS other),
    STRUCT('audio_input' AS kind, 'cached_audio_input' AS other),
    STRUCT('cached_audio_input' AS kind, 'audio_input' AS other),
    STRUCT('image_input' AS kind, 'cached_image_input' AS other),
    STRUCT('cached_image_input' AS kind, 'image_input' AS other)
  ]) AS pair
),
otherwise AS (
  -- what rows would come to by another tier's rate, or cached tokens as input and the reverse; `turn` says which
  SELECT
    ours.place,
    ours.line_item,
    CASE
      WHEN prices.told_kind <> ours.token_kind THEN 'cache'
      WHEN ours.service_tier = 'batch' THEN 'batch as standard'
      WHEN ours.service_tier <> 'standard' THEN 'tier as standard'
      ELSE CONCAT('standard as ', prices.told_tier)
    END AS turn,
    SUM(ours.row_count) AS row_count,
    SUM(prices.unit_price * ours.quantity) - SUM(ours.cost) AS more
  FROM ours
  LEFT JOIN swaps ON swaps.kind = ours.token_kind
  JOIN prices
    ON prices.told_model = ours.told_model
    AND prices.told_region = ours.region
    AND prices.told_window = ours.price_window
    AND ours.bucket_start >= prices.valid_from
    AND ours.bucket_start < prices.valid_to
    AND ours.length > prices.over_from
    AND ours.length <= prices.over_to
    AND (
      (prices.told_kind = ours.token_kind AND prices.told_tier = 'standard' AND ours.service_tier <> 'standard')
      OR (prices.told_kind = ours.token_kind AND ours.service_tier = 'standard' AND prices.told_tier IN ('batch', 'flex', 'priority'))
      OR (prices.told_kind = swaps.other AND prices.told_tier = ours.service_tier)
    )
  WHERE ours.priced_rows = ours.row_count AND NOT ours.untold
  GROUP BY place, line_item, turn
),
turns AS (
  SELECT
    place,
    line_item,
    SUM(CASE WHEN turn = 'cache' THEN row_count END) AS cache_rows,
    SUM(CASE WHEN turn = 'cache' THEN more END) AS cache_more,
    SUM(CASE WHEN turn = 'batch as standard' THEN row_count END) AS batch_rows,
    SUM(CASE WHEN turn = 'batch as standard' THEN more END) AS batch_more,
    SUM(CASE WHEN turn = 'tier as standard' THEN row_count END) AS tier_rows,
    SUM(CASE WHEN turn = 'tier as standard' THEN more END) AS tier_more,
    SUM(CASE WHEN turn = 'standard as batch' THEN row_count END) AS to_batch_rows,
    SUM(CASE WHEN turn = 'standard as batch' THEN more END) AS to_batch_more,
    SUM(CASE WHEN turn = 'standard as flex' THEN row_count END) AS to_flex_rows,
    SUM(CASE WHEN turn = 'standard as flex' THEN more END) AS to_flex_more,
    SUM(CASE WHEN turn = 'standard as priority' THEN row_count END) AS to_priority_rows,
    SUM(CASE WHEN turn = 'standard as priority' THEN more END) AS to_priority_more
  FROM otherwise
  GROUP BY place, line_item
),
sides AS (
  SELECT
    usage_date,
    account,
    project_id,
    model_family,
    line_item,
    TRUE AS line_item_known,
    currency,
    place,
    CAST(NULL AS STRING) AS reported_as,
    SUM(CASE WHEN untold THEN 0 ELSE row_count END) AS computed_rows,
    0 AS reported_rows,
    SUM(CASE WHEN NOT untold THEN cost END) AS computed,
    CAST(NULL AS BIGNUMERIC) AS reported,
    SUM(CASE WHEN NOT untold THEN quantity END) AS computed_quantity,
    CAST(NULL AS BIGNUMERIC) AS reported_quantity,
    CASE WHEN MIN(unit) = MAX(unit) THEN MIN(unit) END AS computed_unit,
    CAST(NULL AS STRING) AS reported_unit,
    SUM(CASE WHEN NOT untold THEN unpriced_quantity END) AS unpriced_quantity,
    SUM(CASE WHEN NOT untold THEN if_long END) AS if_long,
    MIN(CASE WHEN NOT untold THEN price_each END) AS least_price,
    MAX(CASE WHEN NOT untold THEN price_each END) AS most_price,
    SUM(CASE WHEN untold THEN row_count ELSE 0 END) AS untold_rows,
    SUM(CASE WHEN untold THEN cost END) AS untold_cost,
    SUM(CASE WHEN untold THEN quantity ELSE 0 END) AS untold_quantity,
    SUM(CASE WHEN untold THEN unpriced_quantity ELSE 0 END) AS untold_unpriced,
    SUM(CASE WHEN service_tier = 'standard' THEN row_count ELSE 0 END) AS standard_rows,
    SUM(CASE WHEN service_tier = 'batch' THEN row_count ELSE 0 END) AS batch_rows,
    0 AS decimals,
    FALSE AS stands_apart
  FROM ours
  GROUP BY usage_date, account, project_id, model_family, line_item, currency, place
  UNION ALL
  SELECT
    usage_date,
    account,
    project_id,
    model_family,
    line_item,
    line_item_known,
    currency,
    place,
    STRING_AGG(DISTINCT said, '\n' ORDER BY said) AS reported_as,
    0 AS computed_rows,
    COUNT(*) AS reported_rows,
    CAST(NULL AS BIGNUMERIC) AS computed,
    SUM(amount) AS reported,
    CAST(NULL AS INT64) AS computed_quantity,
    -- where one line lacks it, or has it in another unit, the quantity of the whole is not known
    CASE WHEN COUNT(quantity) = COUNT(*) AND COUNT(unit) = COUNT(*) AND MIN(unit) = MAX(unit) THEN SUM(quantity) END AS reported_quantity,
    CAST(NULL AS STRING) AS computed_unit,
    CASE WHEN COUNT(quantity) = COUNT(*) AND COUNT(unit) = COUNT(*) AND MIN(unit) = MAX(unit) THEN MIN(unit) END AS reported_unit,
    CAST(NULL AS INT64) AS unpriced_quantity,
    CAST(NULL AS BIGNUMERIC) AS if_long,
    CAST(NULL AS BIGNUMERIC) AS least_price,
    CAST(NULL AS BIGNUMERIC) AS most_price,
    0 AS untold_rows,
    CAST(NULL AS BIGNUMERIC) AS untold_cost,
    0 AS untold_quantity,
    0 AS untold_unpriced,
    0 AS standard_rows,
    0 AS batch_rows,
    MAX(decimals) AS decimals,
    LOGICAL_AND(stands_apart) AS stands_apart
  FROM theirs
  GROUP BY usage_date, account, project_id, model_family, line_item, line_item_known, currency, place
),
merged AS (
  SELECT
    usage_date,
    account,
    project_id,
    model_family,
    line_item,
    line_item_known,
    currency,
    place,
    MAX(reported_as) AS reported_as,
    SUM(computed_rows) AS computed_rows,
    SUM(reported_rows) AS reported_rows,
    MAX(computed) AS computed,
    MAX(reported) AS reported,
    MAX(computed_quantity) AS computed_quantity,
    MAX(reported_quantity) AS told_quantity,
    COALESCE(MAX(computed_unit), MAX(reported_unit)) AS quantity_unit,
    MAX(reported_unit) AS reported_unit,
    COALESCE(MAX(unpriced_quantity), 0) AS unpriced_quantity,
    MAX(if_long) AS if_long,
    MAX(least_price) AS least_price,
    MAX(most_price) AS most_price,
    SUM(untold_rows) AS untold_rows,
    MAX(untold_cost) AS untold_cost,
    SUM(untold_quantity) AS untold_quantity,
    SUM(untold_unpriced) AS untold_unpriced,
    SUM(standard_rows) AS standard_rows,
    SUM(batch_rows) AS batch_rows,
    MAX(decimals) AS decimals,
    LOGICAL_OR(stands_apart) AS stands_apart
  FROM sides
  GROUP BY usage_date, account, project_id, model_family, line_item, line_item_known, currency, place
),
cells AS (
  SELECT
    merged.*,
    COALESCE(merged.reported, 0) - COALESCE(merged.computed, 0) AS difference,
    CASE WHEN merged.reported_unit = merged.quantity_unit THEN merged.told_quantity END AS reported_quantity,
    merged.unpriced_quantity = 0 AS all_priced,
    merged.usage_date NOT IN UNNEST(@settled) AS may_change,
    SUM(merged.computed_rows) OVER (PARTITION BY merged.usage_date, merged.account) AS usage_rows_of_day,
    SUM(merged.reported_rows) OVER (PARTITION BY merged.usage_date, merged.account) AS report_rows_of_day,
    -- of a day without a report there is none, and no row that could be rounded
    GREATEST(MAX(merged.decimals) OVER (PARTITION BY merged.usage_date, merged.account), 2) AS decimals_of_day,
    -- a turn counts where every row of its kind has the other rate: of some of them it would prove nothing
    CASE WHEN turns.cache_rows = merged.computed_rows THEN turns.cache_more END AS cache_more,
    CASE WHEN turns.batch_rows = merged.batch_rows THEN turns.batch_more END AS batch_more,
    CASE WHEN turns.tier_rows = merged.computed_rows - merged.standard_rows - merged.batch_rows THEN turns.tier_more END AS tier_more,
    CASE WHEN turns.to_batch_rows = merged.standard_rows THEN turns.to_batch_more END AS to_batch_more,
    CASE WHEN turns.to_flex_rows = merged.standard_rows THEN turns.to_flex_more END AS to_flex_more,
    CASE WHEN turns.to_priority_rows = merged.standard_rows THEN turns.to_priority_more END AS to_priority_more
  FROM merged
  LEFT JOIN turns ON merged.line_item_known AND turns.place = merged.place AND turns.line_item = merged.line_item
),
measured AS (
  SELECT
    *,
    CAST(CONCAT('0.', REPEAT('0', decimals_of_day), '5') AS BIGNUMERIC) * reported_rows AS bound,
    reported_quantity - CAST(computed_quantity AS BIGNUMERIC) AS more_quantity,
    COALESCE(reported_quantity = CAST(computed_quantity AS BIGNUMERIC), FALSE) AS same_quantity,
    -- a report that never tells a quantity means what usage tells, once neither can change any more
    COALESCE(reported_quantity = CAST(computed_quantity AS BIGNUMERIC), FALSE)
      OR (NOT {tells_quantities} AND told_quantity IS NULL AND NOT may_change AND reported_rows > 0 AND computed_rows > 0) AS alike,
    -- where no quantity is told, an exact sum of money may still prove something; where quantities differ, none does
    COALESCE(reported_quantity = CAST(computed_quantity AS BIGNUMERIC), reported IS NOT NULL AND all_priced AND computed_rows > 0) AS may_match,
    CASE
      WHEN all_priced AND (
        reported_quantity = CAST(computed_quantity AS BIGNUMERIC)
        OR (NOT {tells_quantities} AND told_quantity IS NULL AND NOT may_change AND reported_rows > 0 AND computed_rows > 0)
      )
        THEN CAST(ROUND(SAFE_DIVIDE(CAST(reported * 1000000 AS NUMERIC), CAST(computed * 1000000 AS NUMERIC)), 4) AS NUMERIC)
    END AS ratio
  FROM cells
),
beside AS (
  SELECT
    *,
    MIN(ratio) OVER family = MAX(ratio) OVER family AND COUNT(ratio) OVER family > 1 AS one_ratio,
    -- of the lines whose price no length can change: what the account pays of every price
    CASE
      WHEN MIN(plain_ratio) OVER payer = MAX(plain_ratio) OVER payer AND COUNT(plain_ratio) OVER payer > 1
        THEN MIN(plain_ratio) OVER payer
    END AS account_ratio,
    -- a long request makes what it reads and what it writes dearer; of these two kinds of line, whether one is where a length can change it
    MAX(CASE WHEN if_long > 0 AND alike AND line_item <> 'output' THEN SIGN(difference) END) OVER family AS input_dearer,
    MAX(CASE WHEN if_long > 0 AND alike AND line_item = 'output' THEN SIGN(difference) END) OVER family AS output_dearer,
    MAX(CASE WHEN line_item = 'input' THEN more_quantity END) OVER family AS input_more,
    MAX(CASE WHEN line_item = 'input' THEN computed_quantity END) OVER family AS input_quantity,
    MAX(CASE WHEN line_item = 'input' THEN computed + cache_more END) OVER family AS input_as_cached,
    MAX(CASE WHEN line_item = 'cached_input' THEN more_quantity END) OVER family AS cached_more,
    MAX(CASE WHEN line_item = 'cached_input' THEN computed_quantity END) OVER family AS cached_quantity,
    MAX(CASE WHEN line_item = 'cached_input' THEN computed + cache_more END) OVER family AS cached_as_input
  FROM (SELECT *, CASE WHEN COALESCE(if_long, 0) = 0 THEN ratio END AS plain_ratio FROM measured) AS plain
  WINDOW
    payer AS (PARTITION BY usage_date, account, currency),
    family AS (PARTITION BY place)
),
judged AS (
  SELECT
    *,
    CASE
      WHEN difference = 0 THEN 'none'
      WHEN computed_rows = 0 AND stands_apart THEN 'not_in_usage'
      WHEN reported_rows > 0 AND computed_rows > 0 AND unpriced_quantity = computed_quantity THEN 'model_unknown'
      WHEN may_change AND (usage_rows_of_day = 0 OR report_rows_of_day = 0) THEN 'late_data'
      WHEN reported_rows > 0 AND computed_rows > 0 AND all_priced AND ABS(difference) <= bound THEN 'rounding'
      WHEN may_match AND cache_more <> 0 AND ABS(difference - cache_more) <= bound THEN 'cache'
      WHEN line_item = 'input' AND all_priced AND reported_rows > 0 AND more_quantity = CAST(cached_quantity AS BIGNUMERIC)
        AND ABS(difference - cached_as_input) <= bound THEN 'cached among input'
      WHEN line_item = 'cached_input' AND all_priced AND reported_rows > 0 AND more_quantity = CAST(input_quantity AS BIGNUMERIC)
        AND ABS(difference - input_as_cached) <= bound THEN 'input among cached'
      WHEN line_item = 'cached_input' AND reported_rows = 0 AND input_more = CAST(computed_quantity AS BIGNUMERIC) THEN 'told elsewhere'
      WHEN line_item = 'input' AND reported_rows = 0 AND cached_more = CAST(computed_quantity AS BIGNUMERIC) THEN 'told elsewhere'
      WHEN may_match AND batch_more <> 0 AND ABS(difference - batch_more) <= bound THEN 'batch as standard'
      WHEN may_match AND to_batch_more <> 0 AND ABS(difference - to_batch_more) <= bound THEN 'standard as batch'
      WHEN may_match AND tier_more <> 0 AND ABS(difference - tier_more) <= bound THEN 'tier as standard'
      WHEN may_match AND to_priority_more <> 0 AND ABS(difference - to_priority_more) <= bound THEN 'standard as priority'
      WHEN may_match AND to_flex_more <> 0 AND ABS(difference - to_flex_more) <= bound THEN 'standard as flex'
      WHEN may_match AND batch_more <> 0 AND tier_more <> 0 AND ABS(difference - batch_more - tier_more) <= bound THEN 'batch and tier'
      WHEN one_ratio AND ratio IS NOT NULL THEN 'rate_differs'
      WHEN alike AND all_priced AND account_ratio <> 1
        AND difference > at_ratio - computed AND difference <= at_ratio - computed + if_long * account_ratio + bound
        THEN 'rate and long_context'
      WHEN alike AND all_priced AND difference > 0 AND difference <= if_long + bound
        AND COALESCE(CASE WHEN line_item = 'output' THEN input_dearer ELSE output_dearer END, 1) > 0 THEN 'long_context'
      WHEN same_quantity AND all_priced THEN 'rate_differs'
      WHEN alike AND account_ratio <> 1 AND ratio = account_ratio THEN 'rate_differs'
      WHEN same_quantity AND difference > 0 THEN 'model_unknown'
      WHEN may_change AND line_item_known AND computed_rows = 0 AND reported_quantity IS NOT NULL THEN 'late_data'
      WHEN may_change AND reported_rows = 0 AND all_priced THEN 'late_data'
      WHEN may_change AND all_priced AND computed_rows > 0 AND SIGN(more_quantity) = SIGN(difference) AND least_price IS NOT NULL THEN 'late at our prices'
      WHEN may_change AND all_priced AND computed_rows > 0 AND SIGN(more_quantity) = SIGN(difference)
        AND ABS(difference * computed_quantity - computed * CAST(ROUND(more_quantity) AS INT64)) <= bound * computed_quantity THEN 'late_data'
      -- of a report that never tells a quantity nobody knows yet which part of its money is of use that is not told
      WHEN may_change AND NOT {tells_quantities} AND told_quantity IS NULL AND reported_rows > 0 AND computed_rows > 0 THEN 'late_data'
      ELSE 'unexplained'
    END AS cause
  FROM (SELECT *, ROUND(computed * account_ratio, 12) AS at_ratio FROM beside) AS paid
),
shared AS (
  -- what the cause comes to; the rest is rounding where it was matched to within rounding
  SELECT
    *,
    CASE cause
      WHEN 'cache' THEN cache_more
      WHEN 'cached among input' THEN cached_as_input
      WHEN 'input among cached' THEN input_as_cached
      WHEN 'batch as standard' THEN batch_more
      WHEN 'standard as batch' THEN to_batch_more
      WHEN 'tier as standard' THEN tier_more
      WHEN 'standard as priority' THEN to_priority_more
      WHEN 'standard as flex' THEN to_flex_more
      WHEN 'batch and tier' THEN batch_more + tier_more
      WHEN 'rate and long_context' THEN difference - (at_ratio - computed)
      -- a quantity that is missing cost between the least and the most that we charge for it
      WHEN 'late at our prices' THEN CASE
        WHEN more_quantity > 0 THEN LEAST(GREATEST(difference, CAST(ROUND(more_quantity) AS INT64) * least_price), CAST(ROUND(more_quantity) AS INT64) * most_price)
        ELSE LEAST(GREATEST(difference, CAST(ROUND(more_quantity) AS INT64) * most_price), CAST(ROUND(more_quantity) AS INT64) * least_price)
      END
      ELSE difference
    END AS part
  FROM judged
),
parted AS (
  SELECT
    *,
    CASE WHEN cause IN ('cache', 'cached among input', 'input among cached', 'told elsewhere') THEN part ELSE 0 END AS cause_cache,
    CASE WHEN cause IN ('batch as standard', 'standard as batch') THEN part WHEN cause = 'batch and tier' THEN batch_more ELSE 0 END AS cause_batch,
    CASE
      WHEN cause IN ('tier as standard', 'standard as priority', 'standard as flex') THEN part
      WHEN cause = 'batch and tier' THEN tier_more
      ELSE 0
    END AS cause_tier,
    CASE WHEN cause IN ('long_context', 'rate and long_context') THEN part ELSE 0 END AS cause_long_context,
    CASE WHEN cause = 'rate_differs' THEN part WHEN cause = 'rate and long_context' THEN difference - part ELSE 0 END AS cause_rate_differs,
    CASE WHEN cause = 'model_unknown' THEN part ELSE 0 END AS cause_model_unknown,
    CASE WHEN cause = 'not_in_usage' THEN part ELSE 0 END AS cause_not_in_usage,
    CASE WHEN cause IN ('late_data', 'late at our prices') THEN part ELSE 0 END AS cause_late_data,
    CASE WHEN cause = 'rounding' THEN part WHEN cause NOT IN ('late at our prices', 'rate and long_context', 'unexplained') THEN difference - part ELSE 0 END AS cause_rounding,
    CASE WHEN cause = 'unexplained' THEN part WHEN cause = 'late at our prices' THEN difference - part ELSE 0 END AS unexplained
  FROM shared
),
days AS (
  SELECT
    *,
    SUM(ABS(unexplained)) OVER day AS unexplained_of_day,
    GREATEST(SUM(ABS(COALESCE(reported, 0))) OVER day, SUM(ABS(COALESCE(computed, 0))) OVER day) AS money_of_day
  FROM parted
  WINDOW day AS (PARTITION BY usage_date, account, currency)
)
SELECT
  usage_date,
  account,
  project_id,
  model_family,
  line_item,
  line_item_known,
  reported_as,
  currency,
  CASE WHEN untold_cost IS NULL THEN computed ELSE COALESCE(computed, 0) + untold_cost END AS computed,
  reported,
  difference - COALESCE(untold_cost, 0) AS difference,
  CAST(
    CASE WHEN untold_rows > 0 THEN COALESCE(computed_quantity, 0) + untold_quantity ELSE computed_quantity END AS BIGNUMERIC
  ) AS computed_quantity,
  reported_quantity,
  quantity_unit,
  CAST(unpriced_quantity + untold_unpriced AS BIGNUMERIC) AS unpriced_quantity,
  cause_cache,
  cause_batch,
  cause_tier,
  cause_long_context,
  cause_rate_differs,
  cause_model_unknown,
  cause_not_in_usage,
  -COALESCE(untold_cost, CAST(0 AS BIGNUMERIC)) AS cause_not_in_report,
  cause_late_data,
  cause_rounding,
  unexplained,
  CASE
    WHEN cause = 'rate and long_context' THEN account_ratio
    WHEN cause = 'rate_differs' THEN CAST(ROUND(SAFE_DIVIDE(CAST(reported * 1000000 AS NUMERIC), CAST(computed * 1000000 AS NUMERIC)), 6) AS NUMERIC)
  END AS price_ratio,
  CASE
    WHEN unexplained = 0 OR unexplained_of_day < CAST(@least AS NUMERIC) THEN 'ok'
    WHEN unexplained_of_day > money_of_day * CAST(@hold_share AS NUMERIC) THEN 'hold'
    WHEN unexplained_of_day > money_of_day * CAST(@warn_share AS NUMERIC) THEN 'warn'
    ELSE 'ok'
  END AS remainder_state,
  computed_rows + untold_rows AS computed_rows,
  reported_rows
FROM days
