-- What has no price, and why: the most of it first.
SELECT model_told AS model, service_tier, token_kind, unpriced_reason AS reason, COUNT(*) AS row_count, COUNT(DISTINCT usage_date) AS days
FROM {priced}
WHERE usage_date BETWEEN @first AND @last AND usage_date IN UNNEST(@days) AND unpriced_reason IS NOT NULL
GROUP BY model_told, service_tier, token_kind, unpriced_reason
ORDER BY row_count DESC, model, service_tier, token_kind, reason
LIMIT @shown
