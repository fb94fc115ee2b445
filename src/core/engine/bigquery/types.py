"""Table schemas as BigQuery's, as Arrow's, and what it takes to bring an existing table to a schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from google.cloud.bigquery import SchemaField, TableReference, TimePartitioning

from src.core.base.faults import Flaw, Rejected
from src.core.base.schema import SPELLINGS, Field, TableSchema
from src.core.engine.arrow import ARROW

# The API's answers keep the names that legacy SQL had.
WIRE: Final[dict[str, str]] = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}


def fields_of(schema: TableSchema, *, json: str = "JSON") -> list[SchemaField]:
    return [_field_of(field, json) for field in schema.fields]


def _field_of(field: Field, json: str) -> SchemaField:
    kind = json if field.type == "JSON" else WIRE.get(field.type, field.type)
    children = tuple(_field_of(child, json) for child in field.fields)
    return SchemaField(field.name, kind, field.mode, description=field.description, fields=children)


def arrow_schema(fields: Sequence[SchemaField]) -> pa.Schema:
    """As DuckDB's adapter answers: no notes on a column, and each of them nullable."""
    return pa.schema([pa.field(field.name, _arrow(field)) for field in fields])


def _arrow(field: SchemaField) -> pa.DataType:
    kind = SPELLINGS.get(field.field_type)
    if kind is None:
        raise Rejected(f"the column {field.name} is {field.field_type}, which is not served; cast it to STRING in the query")
    inner = pa.struct([pa.field(child.name, _arrow(child)) for child in field.fields]) if kind == "STRUCT" else ARROW[kind]
    return pa.list_(inner) if field.mode == "REPEATED" else inner


def quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def shown(field: SchemaField) -> str:
    """A column's type as GoogleSQL writes it."""
    kind: str = SPELLINGS.get(field.field_type, field.field_type)
    if kind == "STRUCT":
        kind = f"STRUCT<{', '.join(f'{quoted(child.name)} {shown(child)}' for child in field.fields)}>"
    return f"ARRAY<{kind}>" if field.mode == "REPEATED" else kind


def partitioning(schema: TableSchema) -> TimePartitioning | None:
    if schema.partition is None:
        return None
    return TimePartitioning(type_=schema.partition.granularity.upper(), field=schema.partition.field)


@dataclass(frozen=True, slots=True)
class BigQueryEvolution:
    fields: tuple[SchemaField, ...]
    added: tuple[str, ...]


def evolution(schema: TableSchema, existing: Sequence[SchemaField], table: TableReference) -> BigQueryEvolution:
    """The table's columns with what the schema adds to them. What is added is nullable: rows that are there have no value for it."""
    merge = _Merge(schema.name)
    fields = merge.fields(existing, fields_of(schema), "")
    if merge.flaws:
        raise Rejected(f"the table {table.table_id} holds other types than its schema; a type is never changed in place", flaws=merge.flaws)
    return BigQueryEvolution(fields, tuple(merge.added))


class _Merge:
    def __init__(self, table: str) -> None:
        self._table = table
        self.added: list[str] = []
        self.flaws: list[Flaw] = []

    def fields(self, held: Sequence[SchemaField], wanted: Sequence[SchemaField], at: str) -> tuple[SchemaField, ...]:
        known = {field.name.lower(): field for field in held}
        merged = dict(known)
        for field in wanted:
            name = field.name.lower()
            if name in known:
                merged[name] = self._both(known[name], field, at)
            else:
                merged[name] = _nullable(field)
                self.added.append(at + field.name)
        return tuple(merged.values())

    def _both(self, held: SchemaField, wanted: SchemaField, at: str) -> SchemaField:
        path = at + held.name
        if SPELLINGS.get(held.field_type) != SPELLINGS[wanted.field_type] or (held.mode == "REPEATED") != (wanted.mode == "REPEATED"):
            said = f"is {shown(held)} and would become {shown(wanted)}; add a column instead"
            self.flaws.append(Flaw(said, field=f"{self._table}.{path}"))
            return held
        relaxed = "NULLABLE" if held.mode == "REQUIRED" and wanted.mode != "REQUIRED" else held.mode
        children = self.fields(held.fields, wanted.fields, f"{path}.")
        return SchemaField(
            held.name, held.field_type, relaxed, description=wanted.description or held.description, fields=children,
            policy_tags=held.policy_tags,
        )  # fmt: skip


def _nullable(field: SchemaField) -> SchemaField:
    mode = "NULLABLE" if field.mode == "REQUIRED" else field.mode
    return SchemaField(field.name, field.field_type, mode, description=field.description, fields=field.fields)
