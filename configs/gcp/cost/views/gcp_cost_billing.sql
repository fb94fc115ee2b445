-- The name older dashboards know.
SELECT * FROM gcp_cost_daily
