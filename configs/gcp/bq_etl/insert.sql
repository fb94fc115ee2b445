-- What a step without books writes: what its query gave, in the columns and types of the template.
SELECT * FROM fetched
