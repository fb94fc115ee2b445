"""The types of schema files as Arrow has them."""

from typing import Final

import pyarrow as pa

from src.core.base.schema import Field, FieldType

# BIGNUMERIC has 38 decimals in BigQuery; what the embedded engine can hold of it is all that is served.
ARROW: Final[dict[FieldType, pa.DataType]] = {
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "NUMERIC": pa.decimal128(38, 9),
    "BIGNUMERIC": pa.decimal128(38, 18),
    "BOOL": pa.bool_(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "JSON": pa.string(),
}


def arrow_field(field: Field) -> pa.Field:
    inner = pa.struct([arrow_field(child) for child in field.fields]) if field.type == "STRUCT" else ARROW[field.type]
    return pa.field(field.name, pa.list_(inner) if field.mode == "REPEATED" else inner)
