-- The rows as they are made now, in the types of their table.
SELECT *, @told_at AS told_until, 'now' AS superseded_by FROM (
{fill}
)
