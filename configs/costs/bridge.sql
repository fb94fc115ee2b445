-- The days of a month beside its invoice, and what lies between both: one statement, so that both sides are of one moment.
WITH asked AS (
  SELECT
    provider,
    currency,
    usage_date BETWEEN @first_day AND @last_day AS of_days,
    usage_date,
    invoice_month,
    COALESCE(invoice_month = @month, FALSE) AS of_invoice,
    cost_type,
    net_cost,
    row_count
  FROM billing_cost_daily
  WHERE (usage_date BETWEEN @first_day AND @last_day OR invoice_month = @month)
    AND (@provider IS NULL OR provider = @provider)
    AND (@currency IS NULL OR currency = @currency)
),
told AS (
  SELECT
    provider,
    currency,
    of_days,
    of_invoice,
    CASE
      WHEN of_days AND of_invoice THEN 'both'
      WHEN of_days AND invoice_month IS NULL THEN 'no_invoice_month'
      WHEN of_days AND usage_date = @first_day AND invoice_month = @month_before AND cost_type = 'regular' THEN 'day_cut_before'
      WHEN of_days THEN 'other_invoices'
      WHEN cost_type = 'tax' THEN 'taxes'
      WHEN cost_type <> 'regular' THEN 'corrections'
      WHEN usage_date = DATE_ADD(@last_day, INTERVAL 1 DAY) THEN 'day_cut_after'
      WHEN usage_date < @first_day THEN 'late_use'
      ELSE 'later_days'
    END AS part,
    CASE WHEN of_invoice AND cost_type = 'tax' THEN net_cost END AS tax,
    net_cost,
    row_count
  FROM asked
),
parts AS (
  SELECT
    provider,
    currency,
    part,
    -- what the days have and the invoice has not is taken off
    SUM(CASE WHEN of_days AND NOT of_invoice THEN -net_cost ELSE net_cost END) AS net_cost,
    SUM(CASE WHEN of_days THEN net_cost END) AS of_days,
    SUM(tax) AS tax,
    SUM(row_count) AS row_count
  FROM told
  GROUP BY provider, currency, part
),
invoices AS (
  SELECT provider, currency, net_cost, completeness, completeness_reason, published_at
  FROM x_cost_monthly
  WHERE invoice_month = @month
    AND (@provider IS NULL OR provider = @provider)
    AND (@currency IS NULL OR currency = @currency)
),
reads AS (
  SELECT provider, MAX(published_at) AS read_at
  FROM x_load_manifests
  WHERE @provider IS NULL OR provider = @provider
  GROUP BY provider
)
SELECT
  (
    SELECT ARRAY_AGG(STRUCT(
      provider AS provider, currency AS currency, part AS part, CAST(net_cost AS BIGNUMERIC) AS net_cost,
      CAST(of_days AS BIGNUMERIC) AS of_days, CAST(tax AS BIGNUMERIC) AS tax, row_count AS row_count
    ))
    FROM parts
  ) AS parts,
  (
    SELECT ARRAY_AGG(STRUCT(
      provider AS provider, currency AS currency, net_cost AS net_cost, completeness AS completeness,
      completeness_reason AS completeness_reason, published_at AS published_at
    ))
    FROM invoices
  ) AS invoices,
  (SELECT ARRAY_AGG(STRUCT(provider AS provider, read_at AS read_at)) FROM reads) AS reads
