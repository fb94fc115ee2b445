-- Rows of one slice, in the columns of their table.
SELECT @source AS {source}, @source_slice AS {slice}, {columns} FROM incoming
