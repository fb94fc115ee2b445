-- Claude Code and seats: what Anthropic estimates of them is no part of the bill.
SELECT
  usage_date,
  product,
  model AS model_told,
  currency,
  SUM(num_sessions) AS sessions,
  -- a row that tells money or sessions alone tells no tokens
  SUM(input_tokens + cached_input_tokens + cache_write_tokens + output_tokens) AS tokens,
  SUM(estimated_cost) AS amount
FROM anthropic_claude_code_daily_raw
WHERE usage_date BETWEEN @first AND @last
GROUP BY usage_date, product, model_told, currency
