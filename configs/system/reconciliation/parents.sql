-- A side that does not tell these kinds of use apart bills them as the other.
SELECT pair.kind AS kind, pair.parent AS parent
FROM UNNEST([
  STRUCT('image_input' AS kind, 'input' AS parent),
  STRUCT('cached_image_input' AS kind, 'cached_input' AS parent),
  STRUCT('cached_audio_input' AS kind, 'cached_input' AS parent),
  STRUCT('image_output' AS kind, 'output' AS parent)
]) AS pair
