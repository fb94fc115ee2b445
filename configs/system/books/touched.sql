-- The days of use that rows belong to, however long ago they were.
SELECT DISTINCT usage_date FROM {rows}
