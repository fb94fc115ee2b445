-- Days that the reports do not tell whole, or twice: an organisation under this one is left out of them, or is read by a key of its own too,
-- or they were read before they went to the day's end.
WITH days AS (
  SELECT usage_date, account FROM {anthropic_bill_daily} GROUP BY usage_date, account
),
children AS (
  SELECT child.account AS account, child.id AS id
  FROM UNNEST(@children) AS pair
  CROSS JOIN UNNEST([STRUCT(REGEXP_EXTRACT(pair, r'^(.*) [^ ]+$') AS account, REGEXP_EXTRACT(pair, r' ([^ ]+)$') AS id)]) AS child
  WHERE pair <> ''
),
left_out AS (
  SELECT children.account, STRING_AGG(children.id, ', ' ORDER BY children.id) AS ids
  FROM children
  LEFT JOIN (
    SELECT DISTINCT REGEXP_REPLACE(source, r' costs$', '') AS account, organization_id AS id FROM {anthropic_costs_daily_raw}
  ) AS told ON told.account = children.account AND told.id = children.id
  WHERE told.id IS NULL
  GROUP BY children.account
),
unfinished AS (
  SELECT usage_date, MIN(told_until) AS told_until
  FROM (
    SELECT usage_date, told_until, TIMESTAMP_ADD(bucket_start, INTERVAL bucket_seconds SECOND) AS ends FROM {anthropic_usage_daily_raw}
    UNION ALL
    SELECT usage_date, told_until, TIMESTAMP_ADD(CAST(usage_date AS TIMESTAMP), INTERVAL 1 DAY) AS ends FROM {anthropic_costs_daily_raw}
  ) AS told
  WHERE told_until < ends
  GROUP BY usage_date
)
SELECT
  days.usage_date,
  'provisional' AS completeness,
  STRING_AGG(
    CONCAT(children.id, ' is told by a key of its own and by that of ', children.account, ' above it: its costs stand twice'), '; '
    ORDER BY children.id
  ) AS reason
FROM days
JOIN children ON children.id = days.account
JOIN days AS above ON above.account = children.account AND above.usage_date = days.usage_date
GROUP BY days.usage_date
UNION ALL
SELECT
  days.usage_date,
  'partial' AS completeness,
  STRING_AGG(CONCAT('no report of ', days.account, ' tells of ', left_out.ids, ', which is under it'), '; ' ORDER BY days.account) AS reason
FROM days
JOIN left_out ON left_out.account = days.account
GROUP BY days.usage_date
UNION ALL
SELECT
  usage_date,
  'partial' AS completeness,
  CONCAT('its figures go to ', FORMAT_TIMESTAMP('%Y-%m-%d %H:%M', told_until), ' UTC') AS reason
FROM unfinished
