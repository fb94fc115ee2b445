-- Takes nothing away. What changed the price book since it was read, or changes it now, keeps this publication from being one.
DELETE FROM {book} WHERE FALSE
