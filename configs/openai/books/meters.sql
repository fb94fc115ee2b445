-- OpenAI's usage by kind of use: each token of a row stands in one kind, and what does not add up in a kind that has no price.
WITH told AS (
  SELECT
    *,
    TIMESTAMP_ADD(bucket_start, INTERVAL bucket_seconds SECOND) AS bucket_end,
    CASE endpoint
      WHEN 'web_search_calls' THEN 'web-search'
      WHEN 'file_search_calls' THEN 'file-search'
      WHEN 'code_interpreter_sessions' THEN 'code-interpreter'
      WHEN 'vector_stores' THEN 'vector-storage'
      ELSE model
    END AS priced_as,
    CASE
      WHEN batch THEN 'batch'
      WHEN COALESCE(service_tier, '') IN ('', 'default', 'auto', 'scale') THEN 'standard'
      ELSE service_tier
    END AS tier,
    CASE endpoint
      WHEN 'web_search_calls' THEN ARRAY_TO_STRING([context_level, model], ' ')
      WHEN 'images' THEN ARRAY_TO_STRING([size, image_source], ' ')
      ELSE vector_store_id
    END AS detail,
    COALESCE(
      input_cached_tokens,
      COALESCE(input_cached_text_tokens, 0) + COALESCE(input_cached_audio_tokens, 0) + COALESCE(input_cached_image_tokens, 0)
    ) AS cached,
    COALESCE(
      input_cache_write_tokens, COALESCE(input_cache_write_30m_tokens, 0) + COALESCE(input_cache_write_12h_tokens, 0)
    ) AS written,
    COALESCE(input_audio_tokens, 0) AS audio,
    COALESCE(input_image_tokens, 0) AS image,
    COALESCE(input_cached_audio_tokens, 0) AS cached_audio,
    COALESCE(input_cached_image_tokens, 0) AS cached_image,
    COALESCE(input_cache_write_12h_tokens, 0) AS written_12h,
    COALESCE(output_audio_tokens, 0) AS audio_out,
    COALESCE(output_image_tokens, 0) AS image_out,
    COALESCE(
      output_tokens, COALESCE(output_text_tokens, 0) + COALESCE(output_audio_tokens, 0) + COALESCE(output_image_tokens, 0)
    ) AS output
  FROM {openai_usage_daily_raw}
),

added_up AS (
  SELECT
    *,
    COALESCE(
      input_tokens, COALESCE(input_uncached_tokens, COALESCE(input_text_tokens, 0) + audio + image) + cached + written
    ) AS input
  FROM told
),

-- a part that is told stands as told; one that is not is what the others leave, and never less than nothing
parts AS (
  SELECT
    *,
    COALESCE(
      input_text_tokens, GREATEST(COALESCE(input_uncached_tokens, input - cached - written) - audio - image, 0)
    ) AS text,
    COALESCE(input_cached_text_tokens, GREATEST(cached - cached_audio - cached_image, 0)) AS cached_text,
    COALESCE(
      input_cache_write_30m_tokens, CASE WHEN input_cache_write_12h_tokens IS NULL THEN 0 ELSE GREATEST(written - written_12h, 0) END
    ) AS written_30m,
    COALESCE(output_text_tokens, GREATEST(output - audio_out - image_out, 0)) AS text_out,
    -- of each project one GB is free; of a span shorter than a day the like part of it
    DIV((1073741824 * bucket_seconds), 86400) AS free_bytes
  FROM added_up
),

by_kind AS (
  SELECT
    usage_date,
    bucket_start,
    bucket_end,
    source AS account,
    endpoint,
    project_id,
    user_id,
    api_key_id,
    api_source,
    priced_as AS model,
    tier AS service_tier,
    CASE WHEN kind.token_kind = 'image' AND size IS NOT NULL THEN CONCAT('image_', size) ELSE kind.token_kind END AS token_kind,
    kind.kind_else,
    CASE kind.token_kind
      WHEN 'input' THEN text
      WHEN 'audio_input' THEN audio
      WHEN 'image_input' THEN image
      WHEN 'cached_input' THEN cached_text
      WHEN 'cached_audio_input' THEN cached_audio
      WHEN 'cached_image_input' THEN cached_image
      WHEN 'cache_write_30m' THEN written_30m
      WHEN 'cache_write_12h' THEN written_12h
      WHEN 'cache_write_unknown' THEN written - written_30m - written_12h
      WHEN 'input_unknown' THEN input - text - audio - image - cached_text - cached_audio - cached_image - written
      WHEN 'output' THEN text_out
      WHEN 'audio_output' THEN audio_out
      WHEN 'image_output' THEN image_out
      WHEN 'output_unknown' THEN output - text_out - audio_out - image_out
      WHEN 'image' THEN images
      WHEN 'characters' THEN characters
      WHEN 'duration' THEN seconds
      WHEN 'session' THEN num_sessions
      WHEN 'free_storage' THEN LEAST(usage_bytes, free_bytes)
      WHEN 'storage' THEN CASE WHEN usage_bytes > free_bytes THEN usage_bytes - free_bytes END
      WHEN 'call' THEN CASE WHEN endpoint IN ('web_search_calls', 'file_search_calls') THEN num_requests END
      ELSE CASE
        WHEN other_measures IS NOT NULL THEN 1
        WHEN endpoint NOT IN ('web_search_calls', 'file_search_calls') AND num_requests != 0 THEN 1
      END
    END AS quantity,
    kind.unit,
    CASE WHEN kind.unit = 'measure' THEN other_measures ELSE detail END AS detail,
    CASE WHEN kind.unit = 'token' AND num_model_requests = 1 AND input > 0 THEN input END AS prompt_tokens,
    CASE WHEN kind.unit = 'token' THEN input ELSE 0 END AS prompt_tokens_most,
    kind.unit = 'token' AND COALESCE(num_model_requests, 0) != 1 AS may_be_long,
    'any' AS region,
    'any' AS price_window,
    CAST(NULL AS BIGNUMERIC) AS price_told,
    CAST(NULL AS STRING) AS currency_told
  FROM parts
  CROSS JOIN UNNEST([
    STRUCT('input' AS token_kind, CAST(NULL AS STRING) AS kind_else, 'token' AS unit),
    STRUCT('audio_input', NULL, 'token'),
    STRUCT('image_input', 'input', 'token'),
    STRUCT('cached_input', NULL, 'token'),
    STRUCT('cached_audio_input', NULL, 'token'),
    STRUCT('cached_image_input', 'cached_input', 'token'),
    STRUCT('cache_write_30m', NULL, 'token'),
    STRUCT('cache_write_12h', NULL, 'token'),
    STRUCT('cache_write_unknown', NULL, 'token'),
    STRUCT('input_unknown', NULL, 'token'),
    STRUCT('output', NULL, 'token'),
    STRUCT('audio_output', NULL, 'token'),
    STRUCT('image_output', NULL, 'token'),
    STRUCT('output_unknown', NULL, 'token'),
    STRUCT('image', 'image', 'image'),
    STRUCT('characters', NULL, 'character'),
    STRUCT('duration', NULL, 'second'),
    STRUCT('session', NULL, 'session'),
    STRUCT('call', NULL, 'call'),
    STRUCT('free_storage', NULL, 'byte'),
    STRUCT('storage', NULL, 'byte'),
    STRUCT('unknown', NULL, 'measure')
  ]) AS kind
  -- audio that is written down has rates by the minute and by the token for the same use: where its length is told, that is charged
  WHERE kind.unit != 'token' OR COALESCE(seconds, 0) = 0
)

SELECT *
FROM by_kind
WHERE quantity != 0
