-- Rows of days that had none.
SELECT *, @told_at AS told_since FROM (
{fill}
)
