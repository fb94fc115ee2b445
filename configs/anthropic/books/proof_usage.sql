-- What usage measures stands in the costs once, whatever it is charged as.
SELECT CONCAT(unit, 's used') AS what, COALESCE(SUM(told), 0) AS ours, COALESCE(SUM(priced), 0) AS theirs
FROM (
  SELECT each.unit AS unit, CAST(each.quantity AS NUMERIC) AS told, CAST(0 AS NUMERIC) AS priced
  FROM {anthropic_usage_daily_raw}
  CROSS JOIN UNNEST([
    STRUCT(
      'token' AS unit,
      uncached_input_tokens + cache_read_input_tokens + cache_write_5m_tokens + cache_write_1h_tokens + output_tokens AS quantity
    ),
    STRUCT('call' AS unit, web_search_requests AS quantity)
  ]) AS each
  UNION ALL
  SELECT unit, CAST(0 AS NUMERIC) AS told, CAST(quantity AS NUMERIC) AS priced
  FROM {anthropic_cost_daily}
  WHERE unit <> 'measure'
) AS measured
GROUP BY unit
