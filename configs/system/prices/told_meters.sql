-- Told costs as meters tell use, to be priced anew; `{cost}` is their table.
SELECT
  usage_date, bucket_start, bucket_end, account, endpoint, project_id, user_id, api_key_id, api_source, model_told AS model, service_tier,
  token_kind, kind_else, quantity, unit, detail, prompt_tokens, CAST(NULL AS INT64) AS prompt_tokens_most,
  COALESCE(region, 'any') AS region, COALESCE(price_window, 'any') AS price_window, CASE WHEN price_rule = 'told' THEN price END AS price_told,
  CASE WHEN price_rule = 'told' THEN currency END AS currency_told
FROM {cost}
WHERE usage_date BETWEEN @first AND @last AND (@every OR COALESCE(model_told, '') IN UNNEST(@models))
