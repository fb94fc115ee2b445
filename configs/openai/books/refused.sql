-- The day on which costs by key were last refused.
SELECT MAX(refused_on) AS refused_on
FROM openai_costs_daily_raw
WHERE source = @source
