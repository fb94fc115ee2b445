SELECT DISTINCT usage_date FROM {raw}
WHERE COALESCE({account}, '') IN UNNEST(@accounts)
