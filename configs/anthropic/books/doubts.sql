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
told AS (
  SELECT DISTINCT usage_date, REGEXP_REPLACE(source, r' costs$', '') AS account, organization_id AS id FROM {anthropic_costs_daily_raw}
),
left_out AS (
  -- of one that is not told for a week around a day nobody knows whether it used nothing or is left out
  SELECT days.usage_date, days.account, children.id
  FROM days
  JOIN children ON children.account = days.account
  LEFT JOIN told
    ON told.account = children.account
    AND told.id = children.id
    AND told.usage_date BETWEEN DATE_SUB(days.usage_date, INTERVAL 7 DAY) AND DATE_ADD(days.usage_date, INTERVAL 7 DAY)
  GROUP BY days.usage_date, days.account, children.id
  HAVING COUNT(told.id) = 0
),
shared AS (
  -- a workspace and a key are of one organisation
  SELECT DISTINCT usage_date, one AS account, other
  FROM (
    SELECT usage_date, MIN(account) AS one, MAX(account) AS other
    FROM (
      SELECT usage_date, REGEXP_REPLACE(source, r' costs$', '') AS account, CONCAT('workspace ', workspace_id) AS place
      FROM {anthropic_costs_daily_raw}
      UNION ALL
      SELECT usage_date, source AS account, CONCAT('key ', api_key_id) AS place FROM {anthropic_usage_daily_raw}
    ) AS places
    WHERE place IS NOT NULL
    GROUP BY usage_date, place
    HAVING COUNT(DISTINCT account) > 1
  ) AS pairs
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
  usage_date,
  'provisional' AS completeness,
  STRING_AGG(
    CONCAT(account, ' and ', other, ' tell of the same workspaces or keys: one is under the other, and its costs stand twice'), '; '
    ORDER BY account, other
  ) AS reason
FROM shared
GROUP BY usage_date
UNION ALL
SELECT
  usage_date,
  'partial' AS completeness,
  STRING_AGG(CONCAT('no report of ', account, ' tells of ', ids, ', which is under it'), '; ' ORDER BY account) AS reason
FROM (
  SELECT usage_date, account, STRING_AGG(id, ', ' ORDER BY id) AS ids FROM left_out GROUP BY usage_date, account
) AS lacking
GROUP BY usage_date
UNION ALL
SELECT
  usage_date,
  'partial' AS completeness,
  CONCAT('its figures go to ', FORMAT_TIMESTAMP('%Y-%m-%d %H:%M', told_until), ' UTC') AS reason
FROM unfinished
