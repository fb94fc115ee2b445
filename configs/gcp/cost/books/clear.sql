-- Another export of the same billing account tells of the same money: for these days this one takes its place, they are never added.
DELETE FROM gcp_cost_daily
WHERE usage_date BETWEEN @first AND @last
  AND usage_date IN UNNEST(@days)
  AND (
    source_table = @source_table
    OR billing_account_id IN (SELECT DISTINCT billing_account_id FROM gcp_billing_daily_raw WHERE source_table = @source_table)
  )
