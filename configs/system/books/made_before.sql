-- Of a table that was made anew: a row that both it and the one before it tell stands once, as often as the one has it that has it more often.
DELETE FROM {raw}
WHERE {source} = @source
  AND {day} BETWEEN @first AND @last
  AND usage_date IN UNNEST(@days)
  AND ({slice} IN UNNEST(@slices)) = ({alike} IN (
    SELECT alike
    FROM (
      SELECT {alike} AS alike, COUNTIF({slice} IN UNNEST(@slices)) AS told_before, COUNT(*) AS told
      FROM {raw}
      WHERE {source} = @source AND {day} BETWEEN @first AND @last AND usage_date IN UNNEST(@days)
      GROUP BY alike
    ) AS both
    WHERE told - told_before >= told_before
  ))
