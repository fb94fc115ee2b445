-- Each row of both raw tables stands in one line, no line's parts come to anything but its difference, and no bill holds both figures.
SELECT 'rows of the cost report' AS what, (SELECT COUNT(*) FROM {openai_costs_daily_raw}) AS ours, COALESCE(SUM(reported_rows), 0) AS theirs
FROM {openai_cost_reconciliation_daily}
UNION ALL
SELECT 'rows of usage' AS what, (SELECT COUNT(*) FROM {openai_cost_daily}) AS ours, COALESCE(SUM(computed_rows), 0) AS theirs
FROM {openai_cost_reconciliation_daily}
UNION ALL
SELECT 'lines whose parts are not their difference' AS what, 0 AS ours, COUNTIF(
  difference <> cause_cache + cause_batch + cause_tier + cause_long_context + cause_rate_differs + cause_model_unknown + cause_not_in_usage
    + cause_late_data + cause_rounding + unexplained
  OR difference <> COALESCE(reported, 0) - COALESCE(computed, 0)
) AS theirs
FROM {openai_cost_reconciliation_daily}
UNION ALL
SELECT 'days with both figures' AS what, 0 AS ours, COUNT(*) AS theirs
FROM (SELECT usage_date, account FROM {openai_bill_daily} GROUP BY usage_date, account HAVING COUNT(DISTINCT figure) > 1) AS both_figures
