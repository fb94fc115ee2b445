-- Rows of several slices, which say of which they are.
SELECT @source AS {source}, source_slice AS {slice}, {columns} FROM incoming
