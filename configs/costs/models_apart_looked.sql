-- The days of which one provider told use that is no cost of its API, whether there was any or not.
SELECT 'asked_provider' AS provider, first_day, last_day
FROM (
asked_apart_looked
) AS told
