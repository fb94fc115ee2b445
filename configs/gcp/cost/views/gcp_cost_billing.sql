-- The name older dashboards know, with the columns they know.
SELECT * EXCEPT (told_since) FROM gcp_cost_daily
