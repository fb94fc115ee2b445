-- What usage measures stands in the costs once: tokens are all input and all output, whatever the parts they are told in.
WITH told AS (
  SELECT
    -- where its length is told, audio is charged by that and its tokens are the same use again
    CASE WHEN COALESCE(seconds, 0) = 0 THEN
      COALESCE(
        input_tokens,
        COALESCE(
          input_uncached_tokens, COALESCE(input_text_tokens, 0) + COALESCE(input_audio_tokens, 0) + COALESCE(input_image_tokens, 0)
        ) + COALESCE(
          input_cached_tokens,
          COALESCE(input_cached_text_tokens, 0) + COALESCE(input_cached_audio_tokens, 0) + COALESCE(input_cached_image_tokens, 0)
        ) + COALESCE(
          input_cache_write_tokens, COALESCE(input_cache_write_30m_tokens, 0) + COALESCE(input_cache_write_12h_tokens, 0)
        )
      ) + COALESCE(
        output_tokens, COALESCE(output_text_tokens, 0) + COALESCE(output_audio_tokens, 0) + COALESCE(output_image_tokens, 0)
      )
    END AS tokens,
    images,
    characters,
    seconds,
    num_sessions AS sessions,
    usage_bytes AS bytes,
    CASE WHEN endpoint IN ('web_search_calls', 'file_search_calls') THEN num_requests END AS calls
  FROM {openai_usage_daily_raw}
),
measured AS (
  SELECT each.unit AS unit, each.quantity AS told, 0 AS priced
  FROM told
  CROSS JOIN UNNEST([
    STRUCT('token' AS unit, tokens AS quantity),
    STRUCT('image' AS unit, images AS quantity),
    STRUCT('character' AS unit, characters AS quantity),
    STRUCT('second' AS unit, seconds AS quantity),
    STRUCT('session' AS unit, sessions AS quantity),
    STRUCT('byte' AS unit, bytes AS quantity),
    STRUCT('call' AS unit, calls AS quantity)
  ]) AS each
  UNION ALL
  SELECT unit, 0 AS told, quantity AS priced
  FROM {openai_cost_daily}
  WHERE unit <> 'measure'
)
SELECT CONCAT(unit, 's used') AS what, COALESCE(SUM(told), 0) AS ours, COALESCE(SUM(priced), 0) AS theirs FROM measured GROUP BY unit
