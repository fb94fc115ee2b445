-- From which day to which one the rows of each slice lie.
SELECT {slice} AS slice_key, MIN({day}) AS first_day, MAX({day}) AS last_day
FROM {rows}
GROUP BY slice_key
