-- As NUMERIC: sums of INT64 may go beyond it, which only some engines take.
SELECT
  told_by,
  bucket_seconds,
  COUNT(*) AS row_count,
  SUM(CAST(uncached_input_tokens AS NUMERIC)) AS uncached_input_tokens,
  SUM(CAST(cache_read_input_tokens AS NUMERIC)) AS cache_read_input_tokens,
  SUM(CAST(cache_write_5m_tokens AS NUMERIC)) AS cache_write_5m_tokens,
  SUM(CAST(cache_write_1h_tokens AS NUMERIC)) AS cache_write_1h_tokens,
  SUM(CAST(output_tokens AS NUMERIC)) AS output_tokens,
  SUM(CAST(web_search_requests AS NUMERIC)) AS web_search_requests,
  SUM(CAST(requests AS NUMERIC)) AS requests,
  COUNT(other_measures) AS other_measures
FROM {rows}
GROUP BY told_by, bucket_seconds
