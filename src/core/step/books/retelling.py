"""Derived rows that are told no more stay in a table beside their own, with the time from and until which they were told.

Days that have rows are made anew through that table: what is told now is laid into it, marked, and held against what was told, so that
both have the types of the table and nothing passes through this process. Days that come out as they were stay as they are; of the others
what was told is laid beside it, and both are sorted into the two tables. The marked rows are gone before the publication ends.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from src.core.base.names import identifier
from src.core.base.schema import Field, TableSchema

SINCE: Final = Field("told_since", "TIMESTAMP", description="Publication since which the row is told; NULL since before this was kept")
UNTIL: Final = Field("told_until", "TIMESTAMP", "REQUIRED", "Publication since which the row is told no more")
BY: Final = Field("superseded_by", "STRING", description="Run of that publication")
RETELLING: Final = ("held", "told_first", "told_now", "told_changed", "told_was", "told_both", "told_again", "told_no_more", "told_clear")


def before_of(table: str) -> str:
    return f"{table}_before"


def flaws_of(schema: TableSchema, tables: Iterable[str]) -> Iterable[str]:
    """Why its rows cannot be kept so; `schema` as its file has it, beside all `tables` of the books."""
    if before_of(schema.name) in tables:
        yield f"{before_of(schema.name)} is the name of what {schema.name} said before; another table needs another name"
    # in small letters, as DuckDB compares the names of columns
    for name in sorted({SINCE.name, UNTIL.name, BY.name} & {column.lower() for column in schema.columns}):
        yield f"{schema.name}.{name} is a column that the engine adds; a column of the provider needs another name"
    for column in schema.fields:
        # BigQuery compares no such values, and a row that cannot be compared would be told anew with each load
        if column.mode == "REPEATED" or column.type in ("STRUCT", "JSON"):
            yield f"{schema.name}.{column.name} is no plain value, and rows are held against each other by all their columns"


@dataclass(frozen=True, slots=True)
class Retelling:
    before: TableSchema
    held: str
    first: str
    now: str
    changed: str
    was: str
    again: str
    no_more: str
    clear: str

    @classmethod
    def of(cls, schema: TableSchema, fill: str, templates: Mapping[str, str]) -> "Retelling":
        """`schema` as its file has it."""
        before = replace(
            schema,
            name=identifier(before_of(schema.name)),
            fields=(*schema.fields, SINCE, UNTIL, BY),
            description=f"Rows of {schema.name} that are told no more, and when they were",
        )

        def put(name: str) -> str:
            text = templates[name].replace("{both}", templates["told_both"]).replace("{derived}", schema.name)
            columns = ", ".join(f"`{identifier(column)}`" for column in schema.columns)
            # the provider's query goes in last, so that nothing within it is taken for one of these names
            return text.replace("{before}", before.name).replace("{columns}", columns).replace("{fill}", fill)

        return cls(before, put("held"), *(put(f"told_{name}") for name in ("first", "now", "changed", "was", "again", "no_more", "clear")))


def with_told_since(schema: TableSchema) -> TableSchema:
    return replace(schema, fields=(*schema.fields, SINCE))
