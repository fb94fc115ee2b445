"""Table schemas as DuckDB types, and what it takes to bring an existing table to a schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from src.core.base.faults import Flaw, Rejected
from src.core.base.schema import Field, FieldType, TableSchema

# BIGNUMERIC has 38 decimals in BigQuery; 20 digits before and 18 after the point are what 38 digits leave.
SCALARS: dict[FieldType, str] = {
    "STRING": "VARCHAR",
    "BYTES": "BLOB",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "NUMERIC": "DECIMAL(38,9)",
    "BIGNUMERIC": "DECIMAL(38,18)",
    "BOOL": "BOOLEAN",
    "DATE": "DATE",
    "TIME": "TIME",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMP WITH TIME ZONE",
    "JSON": "JSON",
}


FLOATS = ("DOUBLE", "FLOAT")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Column:
    """A type as DuckDB holds it, taken apart so that two of them compare by structure and not by spelling."""

    scalar: str | None
    repeated: bool = False
    fields: tuple[tuple[str, "Column"], ...] = ()

    @property
    def sql(self) -> str:
        inner = self.scalar or "STRUCT(" + ", ".join(f"{quoted(name)} {kind.sql}" for name, kind in self.fields) + ")"
        return f"{inner}[]" if self.repeated else inner

    def floats(self, given: "Column") -> bool:
        """Whether a decimal of this type is given as a float, at whatever depth."""
        if self.fields:
            held = {name.lower(): kind for name, kind in given.fields}
            return any(kind.floats(held[name.lower()]) for name, kind in self.fields if name.lower() in held)
        return given.scalar in FLOATS and (self.scalar or "").startswith("DECIMAL")

    def exactly(self, value: str, given: "Column", depth: int = 0) -> str:
        """An expression of this type over a value of the given one, in which each float has become the shortest decimal that is it."""
        if not self.floats(given):
            return value
        if self.repeated:
            one = f"x{depth}"
            inner = Column(self.scalar, fields=self.fields).exactly(one, Column(given.scalar, fields=given.fields), depth + 1)
            return f"list_transform({value}, lambda {one}: {inner})"
        if self.fields:
            wanted = {name.lower(): kind for name, kind in self.fields}
            parts = []
            for name, kind in given.fields:
                part = f"({value}).{quoted(name)}"
                parts.append(f"{quoted(name)} := {wanted[name.lower()].exactly(part, kind, depth) if name.lower() in wanted else part}")
            return f"CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({', '.join(parts)}) END"
        return _decimal_of(value, self.sql, given)

    def with_added(self, wanted: "Column") -> "Column | None":
        """This type with the fields that `wanted` adds, or None where the two cannot be one."""
        if self.scalar != wanted.scalar or self.repeated != wanted.repeated:
            return None
        merged = dict(self.fields)
        spelling = {name.lower(): name for name in merged}
        for name, kind in wanted.fields:
            held = spelling.get(name.lower())
            both = merged[held].with_added(kind) if held else kind
            if both is None:
                return None
            merged[held or name] = both
        return Column(self.scalar, self.repeated, tuple(merged.items()))


def _decimal_of(value: str, decimal: str, given: Column) -> str:
    """A text of a float is the shortest decimal that is it, and a cast of the text is exact, but slow.

    DuckDB's own cast of a DOUBLE multiplies it as one: 71192484.68 becomes 71192484.680000008. Below 8192 what it multiplies is off by
    less than a hundredth of the last place, so that it rounds alike, but where the rest is about a half.
    """
    by_text = f"CAST(CAST({value} AS VARCHAR) AS {decimal})"
    if decimal != SCALARS["NUMERIC"] or given.scalar != "DOUBLE":
        return by_text
    # with exponents: a literal with a point is DECIMAL in DuckDB
    clear = f"abs({value}) < 8192e0 AND abs({value} * 1e9 - round({value} * 1e9)) < 49e-2"
    return f"CASE WHEN {clear} THEN CAST({value} AS {decimal}) ELSE {by_text} END"


def column_of(field: Field) -> Column:
    scalar = None if field.type == "STRUCT" else SCALARS[field.type]
    return Column(scalar, field.mode == "REPEATED", tuple((child.name, column_of(child)) for child in field.fields))


def column_in(kind: Any) -> Column:
    """From a type DuckDB answers with; arrays of arrays do not exist in a schema file."""
    if kind.id == "list":
        inner = column_in(kind.children[0][1])
        return Column(inner.scalar, repeated=True, fields=inner.fields)
    if kind.id == "struct":
        return Column(None, fields=tuple((name, column_in(child)) for name, child in kind.children))
    return Column(str(kind))


def creation(schema: TableSchema) -> str:
    columns = ", ".join(
        f"{quoted(field.name)} {column_of(field).sql}{' NOT NULL' if field.mode == 'REQUIRED' else ''}" for field in schema.fields
    )
    return f"CREATE TABLE {quoted(schema.name)} ({columns})"


@dataclass(frozen=True, slots=True)
class DuckDBEvolution:
    statements: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """The columns of a table that is brought to a schema."""

    columns: dict[str, Column]
    changed: tuple[str, ...]
    """Those that were there, and get further fields."""
    added: tuple[str, ...]
    """With the fields that columns get."""


def merged(schema: TableSchema, held: Mapping[str, Column]) -> Merged:
    spelling = {name.lower(): name for name in held}
    columns, changed, added, flaws = dict(held), list[str](), list[str](), list[Flaw]()
    for field in schema.fields:
        wanted = column_of(field)
        name = spelling.get(field.name.lower())
        if name is None:
            columns[field.name] = wanted
            added.append(field.name)
            continue
        both = held[name].with_added(wanted)
        if both is None:
            flaws.append(Flaw(f"is {held[name].sql} and would become {wanted.sql}; add a column instead", field=f"{schema.name}.{name}"))
        elif both != held[name]:
            columns[name] = both
            changed.append(name)
            added += _paths(name, held[name], both)
    if flaws:
        raise Rejected(f"the table {schema.name} holds other types than its schema; a type is never changed in place", flaws=flaws)
    return Merged(columns, tuple(changed), tuple(added))


def evolution(schema: TableSchema, existing: duckdb.DuckDBPyRelation, required: frozenset[str]) -> DuckDBEvolution:
    """The statements that add what is missing. Added columns are nullable: rows that are there have no value for them."""
    held = {name: column_in(kind) for name, kind in zip(existing.columns, existing.types, strict=True)}
    now, table = merged(schema, held), f"ALTER TABLE {quoted(schema.name)}"
    loose = {field.name.lower() for field in schema.fields if field.mode != "REQUIRED"}
    statements = [f"{table} ADD COLUMN {quoted(name)} {kind.sql}" for name, kind in now.columns.items() if name not in held]
    statements += [f"{table} ALTER COLUMN {quoted(name)} TYPE {now.columns[name].sql}" for name in now.changed]
    statements += [f"{table} ALTER COLUMN {quoted(name)} DROP NOT NULL" for name in held if name in required and name.lower() in loose]
    return DuckDBEvolution(tuple(statements), now.added)


def _paths(at: str, before: Column, after: Column) -> list[str]:
    held = dict(before.fields)
    paths = []
    for name, kind in after.fields:
        if name in held:
            paths += _paths(f"{at}.{name}", held[name], kind)
        else:
            paths.append(f"{at}.{name}")
    return paths
