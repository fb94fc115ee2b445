-- Figures that one run restated, as x_cost_history has them.
SELECT period, currency, net_before, net_after, reason, changed_at
FROM x_cost_history
WHERE provider = @provider AND pipeline_logging_id = @run_id
ORDER BY period, currency
LIMIT 100
