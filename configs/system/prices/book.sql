-- Every edition of every rate; `{book}` is the table.
SELECT * FROM {book}
