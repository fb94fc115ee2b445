-- Of each day of use since a day how much of what other sources tell of its accounts a source tells again, and how much it does not;
-- `added` how much of it by rows that were written when the others were read no further.
SELECT usage_date, COUNTIF(told_again) AS told_again, COUNTIF(NOT told_again) AS lacking, COUNTIF(added) AS added
FROM (
  SELECT usage_date, {alike} AS alike, COUNTIF({source} = @source) > 0 AS told_again,
    COUNTIF({source} = @source AND {day} >= others.until) > 0 AS added
  FROM {raw}
  CROSS JOIN (
    SELECT MAX({day}) AS until
    FROM {raw}
    WHERE {source} != @source
      AND COALESCE({account}, '') IN (SELECT COALESCE({account}, '') FROM {raw} WHERE {source} = @source)
  ) AS others
  WHERE usage_date BETWEEN @first AND @last
    AND COALESCE({account}, '') IN (SELECT COALESCE({account}, '') FROM {raw} WHERE {source} = @source)
  GROUP BY usage_date, alike
  HAVING COUNTIF({source} != @source) > 0
) AS told
GROUP BY usage_date
