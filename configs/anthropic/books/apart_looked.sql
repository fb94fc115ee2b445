-- The days of which Anthropic was asked for Claude Code and seats; of others nobody knows whether there was any.
SELECT first_slice AS first_day, last_slice AS last_day
FROM x_source_looks
WHERE provider = 'anthropic' AND REGEXP_CONTAINS(source, r' claude code$') AND first_slice <= @last AND last_slice >= @first
