-- Of each day of use since a day how much of what other sources tell of its accounts a source tells again, and how much it does not.
SELECT usage_date, COUNTIF(told_again) AS told_again, COUNTIF(NOT told_again) AS lacking
FROM (
  SELECT usage_date, {alike} AS alike, COUNTIF({source} = @source) > 0 AS told_again
  FROM {raw}
  WHERE usage_date BETWEEN @first AND @last
    AND COALESCE({account}, '') IN (SELECT COALESCE({account}, '') FROM {raw} WHERE {source} = @source)
  GROUP BY usage_date, alike
  HAVING COUNTIF({source} != @source) > 0
) AS told
GROUP BY usage_date
