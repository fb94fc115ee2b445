-- What the lines of OpenAI's cost report say, in the words that usage and price book have: docs/reference/reconciliation.md.
WITH forms AS (
  -- words after the last comma, as the report has them, and the kind of use that they are
  SELECT form.words AS words, form.line_item AS line_item
  FROM UNNEST([
    STRUCT('input' AS words, 'input' AS line_item),
    STRUCT('cached input' AS words, 'cached_input' AS line_item),
    STRUCT('cache write 30m' AS words, 'cache_write_30m' AS line_item),
    STRUCT('cache write 12h' AS words, 'cache_write_12h' AS line_item),
    STRUCT('output' AS words, 'output' AS line_item),
    STRUCT('audio input' AS words, 'audio_input' AS line_item),
    STRUCT('cached audio input' AS words, 'cached_audio_input' AS line_item),
    STRUCT('audio output' AS words, 'audio_output' AS line_item),
    STRUCT('image input' AS words, 'image_input' AS line_item),
    STRUCT('cached image input' AS words, 'cached_image_input' AS line_item),
    STRUCT('image output' AS words, 'image_output' AS line_item),
    STRUCT('characters' AS words, 'characters' AS line_item),
    STRUCT('duration' AS words, 'duration' AS line_item)
  ]) AS form
),
tools AS (
  SELECT tool.words AS words, tool.model_family AS model_family, tool.line_item AS line_item
  FROM UNNEST([
    STRUCT('web search tool calls' AS words, 'web-search' AS model_family, 'call' AS line_item),
    STRUCT('file search tool calls' AS words, 'file-search' AS model_family, 'call' AS line_item),
    STRUCT('code interpreter sessions' AS words, 'code-interpreter' AS model_family, 'session' AS line_item),
    STRUCT('vector store storage' AS words, 'vector-storage' AS model_family, 'storage' AS line_item)
  ]) AS tool
),
apart AS (
  -- what is known to stand in no report of usage; `head` is the start of the model's name, empty where the item has no comma
  SELECT item.head AS head, item.words AS words
  FROM UNNEST([
    STRUCT('' AS head, 'file storage' AS words),
    STRUCT('sora' AS head, 'video' AS words)
  ]) AS item
),
units AS (
  -- what the report counts in, and how many of ours that is
  SELECT each.told AS told, each.unit AS unit, each.factor AS factor
  FROM UNNEST([
    STRUCT('tokens' AS told, 'token' AS unit, 1 AS factor),
    STRUCT('1000_tokens' AS told, 'token' AS unit, 1000 AS factor),
    STRUCT('characters' AS told, 'character' AS unit, 1 AS factor),
    STRUCT('images' AS told, 'image' AS unit, 1 AS factor),
    STRUCT('duration_seconds' AS told, 'second' AS unit, 1 AS factor),
    STRUCT('duration_minutes' AS told, 'second' AS unit, 60 AS factor),
    STRUCT('duration_hours' AS told, 'second' AS unit, 3600 AS factor)
  ]) AS each
),
texts AS (
  SELECT DISTINCT line_item AS told FROM {openai_costs_daily_raw}
),
spelled AS (
  SELECT
    told,
    LOWER(TRIM(COALESCE(REGEXP_EXTRACT(told, r'^(.*),[^,]*$'), ''))) AS head,
    REGEXP_REPLACE(
      LOWER(TRIM(REGEXP_REPLACE(COALESCE(REGEXP_EXTRACT(told, r',([^,]*)$'), told, ''), r'[ _\t]+', ' '))), r' tokens$', ''
    ) AS words
  FROM texts
),
items AS (
  SELECT
    spelled.told,
    spelled.head,
    spelled.words,
    COALESCE(tools.model_family, NULLIF(spelled.head, '')) AS model_told,
    COALESCE(tools.line_item, forms.line_item, NULLIF(spelled.words, ''), 'unnamed') AS line_item,
    tools.line_item AS tool,
    tools.words IS NOT NULL OR forms.words IS NOT NULL
      OR (spelled.head <> '' AND REGEXP_CONTAINS(spelled.words, r'^[0-9]+x[0-9]+$')) AS line_item_known,
    (spelled.head <> '' AND spelled.words = 'training') OR apart.words IS NOT NULL AS stands_apart,
    spelled.head = '' AND REGEXP_CONTAINS(spelled.words, r'(^| )credits?$') AS is_credit
  FROM spelled
  LEFT JOIN tools ON spelled.head = '' AND tools.words = spelled.words
  LEFT JOIN forms ON spelled.head <> '' AND forms.words = spelled.words
  LEFT JOIN apart
    ON apart.words = spelled.words
    AND ((apart.head = '' AND spelled.head = '') OR (apart.head <> '' AND STARTS_WITH(spelled.head, apart.head)))
)
SELECT
  raw.usage_date,
  REGEXP_REPLACE(raw.source, r' costs$', '') AS account,
  raw.project_id,
  raw.api_key_id,
  raw.api_key_id IS NOT NULL OR STRPOS(raw.grouped_by, 'api_key_id') > 0 AS by_key,
  COALESCE(raw.line_item, '') AS said,
  items.model_told,
  items.line_item,
  items.line_item_known,
  items.stands_apart OR (items.is_credit AND raw.amount < 0) AS stands_apart,
  raw.currency,
  raw.amount,
  CAST(0 AS BIGNUMERIC) AS credit,
  -- calls and sessions are told without a unit; bytes that are stored all day are told by the GiB and the hour
  CASE
    WHEN raw.quantity_unit IS NULL AND items.tool <> 'storage' THEN raw.quantity
    WHEN LOWER(raw.quantity_unit) = 'gibibyte_hours' AND items.tool = 'storage'
      THEN CAST(ROUND(CAST(raw.quantity * 1073741824 AS NUMERIC) / 24) AS BIGNUMERIC)
    ELSE raw.quantity * units.factor
  END AS quantity,
  CASE
    WHEN raw.quantity_unit IS NULL AND items.tool <> 'storage' THEN items.tool
    WHEN LOWER(raw.quantity_unit) = 'gibibyte_hours' AND items.tool = 'storage' THEN 'byte'
    ELSE units.unit
  END AS unit
FROM {openai_costs_daily_raw} AS raw
JOIN items ON COALESCE(items.told, '') = COALESCE(raw.line_item, '') AND (items.told IS NULL) = (raw.line_item IS NULL)
LEFT JOIN units ON units.told = LOWER(raw.quantity_unit)
