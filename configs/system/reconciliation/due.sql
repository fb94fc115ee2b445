-- Days to be made anew although nothing new was told of them: they can change no more, and were last made while they could.
SELECT usage_date
FROM {compared}
WHERE usage_date IN UNNEST(@settled) AND cause_late_data <> 0
UNION DISTINCT
SELECT bill.usage_date
FROM {bill} AS bill
JOIN {compared} AS lines ON lines.usage_date = bill.usage_date AND lines.account = bill.account AND lines.reported_rows > 0
WHERE bill.usage_date IN UNNEST(@settled) AND bill.figure = 'computed' AND @bill <> 'computed'
