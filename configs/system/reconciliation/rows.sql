-- Each row of both raw tables stands in one line, no line's parts come to anything but its difference, and no bill holds both figures.
SELECT 'rows of the cost report' AS what, (SELECT COUNT(*) FROM {told}) AS ours, COALESCE(SUM(reported_rows), 0) AS theirs
FROM {compared}
UNION ALL
SELECT 'rows of usage' AS what, (SELECT COUNT(*) FROM {costs}) AS ours, COALESCE(SUM(computed_rows), 0) AS theirs
FROM {compared}
UNION ALL
SELECT 'lines whose parts are not their difference' AS what, 0 AS ours, COUNTIF(
  difference <> cause_cache + cause_batch + cause_tier + cause_long_context + cause_rate_differs + cause_model_unknown + cause_not_in_usage
    + COALESCE(cause_not_in_report, CAST(0 AS BIGNUMERIC)) + cause_late_data + cause_rounding + unexplained
  OR difference <> COALESCE(reported, 0) - COALESCE(computed, 0)
) AS theirs
FROM {compared}
UNION ALL
SELECT 'days with both figures' AS what, 0 AS ours, COUNT(*) AS theirs
FROM (SELECT usage_date, account FROM {bill} GROUP BY usage_date, account HAVING COUNT(DISTINCT figure) > 1) AS both_figures
