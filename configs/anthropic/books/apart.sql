-- Claude Code and seats: what Anthropic estimates of them is no part of the bill.
SELECT
  usage_date,
  product,
  model AS model_told,
  currency,
  SUM(num_sessions) AS sessions,
  SUM(COALESCE(input_tokens, 0) + COALESCE(cached_input_tokens, 0) + COALESCE(cache_write_tokens, 0) + COALESCE(output_tokens, 0)) AS tokens,
  SUM(estimated_cost) AS amount
FROM anthropic_claude_code_daily_raw
WHERE usage_date BETWEEN @first AND @last
GROUP BY usage_date, product, model_told, currency
