"""Rows of a table of another project, brought into a staging table by BigQuery itself."""

import re
from collections.abc import Sequence
from typing import Final

from google.cloud.bigquery import SchemaField

from src.core.base.faults import Rejected
from src.core.base.schema import SPELLINGS, Field, TableSchema
from src.core.engine.bigquery.jobs import WarehouseJobs
from src.core.engine.bigquery.pending import creation
from src.core.engine.bigquery.staging import plain_field, relaxed
from src.core.engine.bigquery.types import fields_of, quoted, shown
from src.core.engine.port import LOAD_DAY, RemoteRows, StagedShape

NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,1024}")


def remote_rows(
    jobs: WarehouseJobs, staging: str, rows: RemoteRows, shape: TableSchema | None, hours: int
) -> tuple[StagedShape, tuple[Field, ...]]:
    """The rows pass from BigQuery to BigQuery; of the columns only those that are named are read."""
    source = remote_select(rows)
    held = {field.name.lower(): field for field in jobs.dry(source).fields}
    fields = tuple(shape.fields) if shape else tuple(map(plain_field, held.values()))
    wanted = tuple(fields_of(TableSchema(staging, tuple(relaxed(field) for field in fields))))
    columns = ", ".join(
        f"{reshaped('x_row.' + quoted(held[field.name.lower()].name), held[field.name.lower()], field)} AS {quoted(field.name)}"
        for field in fields
        if field.name.lower() in held
    )
    names = ", ".join(quoted(field.name) for field in fields if field.name.lower() in held)
    filling = f";\nINSERT INTO {quoted(staging)} ({names})\nSELECT {columns} FROM (\n{source}\n) AS x_row" if columns else ""
    jobs.run(creation(staging, wanted, hours) + filling)
    named = {field.name.lower() for field in fields}
    absent = tuple(field.name for field in fields if field.name.lower() not in held)
    return StagedShape(absent, tuple(field.name for key, field in held.items() if key not in named)), fields


def remote_select(rows: RemoteRows) -> str:
    """The days stand in the text, so that BigQuery knows before it begins which partitions are read."""
    for part in (rows.project, rows.dataset, rows.table):
        if not NAME.fullmatch(part):
            raise Rejected(f"{part[:80]!r} is not a name that BigQuery has")
    days = ", ".join(f"TIMESTAMP '{day:%Y-%m-%d}'" for day in rows.days)
    table = quoted(f"{rows.project}.{rows.dataset}.{rows.table}")
    where = f"_PARTITIONTIME IN ({days})" if days else "FALSE"
    # by its name: SELECT * leaves pseudo-columns out
    return f"SELECT *, DATE(_PARTITIONTIME) AS {quoted(LOAD_DAY)} FROM {table} WHERE {where}"


def reshaped(given: str, held: SchemaField, wanted: Field, depth: int = 0) -> str:
    """An expression in the wanted type. Fields inside structs may come and go, which a CAST does not allow."""
    if (held.mode == "REPEATED") != (wanted.mode == "REPEATED") or (_kind(held) == "STRUCT") != (wanted.type == "STRUCT"):
        raise Rejected(f"the column {held.name[:80]!r} is {shown(held)} where it is and would become {_shown(wanted)}")
    if _alike(held, wanted):
        return given
    if wanted.mode != "REPEATED":
        return _one(given, held, wanted, depth)
    one, at = f"x_item_{depth}", f"x_at_{depth}"
    inner = _one(one, held, wanted, depth + 1)
    return f"ARRAY(SELECT {inner} FROM UNNEST({given}) AS {one} WITH OFFSET AS {at} ORDER BY {at})"


def _one(given: str, held: SchemaField, wanted: Field, depth: int) -> str:
    if wanted.type != "STRUCT":
        if wanted.type == "JSON":
            return f"TO_JSON({given})"
        if held.field_type == "GEOGRAPHY":
            given = f"ST_ASTEXT({given})"  # the one type that BigQuery does not CAST to STRING
        elif _kind(held) == "FLOAT64" and wanted.type in ("NUMERIC", "BIGNUMERIC"):
            # a fraction is the decimal it is written as, not its binary neighbour
            given = f"CAST({given} AS STRING)"
        return f"CAST({given} AS {wanted.type})"
    inner = {child.name.lower(): child for child in held.fields}
    parts = [_child(given, inner.get(child.name.lower()), child, depth) for child in wanted.fields]
    return f"IF({given} IS NULL, NULL, STRUCT({', '.join(parts)}))"


def _child(given: str, held: SchemaField | None, wanted: Field, depth: int) -> str:
    made = f"CAST(NULL AS {_shown(wanted)})" if held is None else reshaped(f"{given}.{quoted(held.name)}", held, wanted, depth)
    return f"{made} AS {quoted(wanted.name)}"


def _alike(held: SchemaField, wanted: Field) -> bool:
    return _kind(held) == wanted.type and _children(held.fields, wanted.fields)


def _children(held: Sequence[SchemaField], wanted: Sequence[Field]) -> bool:
    return [field.name for field in held] == [field.name for field in wanted] and all(
        (one.mode == "REPEATED") == (other.mode == "REPEATED") and _alike(one, other) for one, other in zip(held, wanted, strict=True)
    )


def _kind(held: SchemaField) -> str:
    """A type that is not served (GEOGRAPHY, INTERVAL, RANGE) is like none that is wanted."""
    return SPELLINGS.get(held.field_type, held.field_type)


def _shown(field: Field) -> str:
    [described] = fields_of(TableSchema("x", (field,)))
    return shown(described)
