"""Rows of usage and costs as the columns of the tables that they go to. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import astuple

from src.core.providers.openai.reports import MEASURES, CostLine, UsageReport
from src.core.providers.slices import DayColumns
from src.core.providers.told import as_json, exact, numbers, whole

RENAMED: Mapping[str, str] = {"source": "image_source"}
OTHERS = "other_measures"


class NovelRow(msgspec.Struct, frozen=True):
    """A row of which this release does not know everything."""

    known: msgspec.Struct
    others: Mapping[str, int | Decimal]
    """Its numbers that are not 0 and are no measure of this report, by name."""


def usage_columns(report: UsageReport, start: int, seconds: int, rows: Sequence[msgspec.Struct | NovelRow]) -> DayColumns:
    """Of one bucket, which begins at `start`."""
    begun = datetime.fromtimestamp(start, UTC)
    known = [row.known if isinstance(row, NovelRow) else row for row in rows]
    told: dict[str, Sequence[Any]] = dict(zip(report.row.__struct_fields__, zip(*map(astuple, known), strict=True), strict=True))
    told.pop("object")
    # of a report a column that none of its rows fills is left to the table
    columns = {RENAMED.get(name, name): values for name, values in told.items()}
    if any(isinstance(row, NovelRow) for row in rows):
        columns |= _novel([row.others if isinstance(row, NovelRow) else {} for row in rows], columns)
    same = {"usage_date": begun.date(), "bucket_start": begun, "bucket_seconds": seconds, "endpoint": report.name}
    return DayColumns(len(rows), columns, same)


def _novel(others: Sequence[Mapping[str, int | Decimal]], columns: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    """A measure of another report has its column; what no report has measured so far stands beside."""
    named = sorted({name for one in others for name in one if name in MEASURES and name not in columns})
    found: dict[str, Sequence[Any]] = {name: [one.get(name) for one in others] for name in named}
    rest = [{name: value for name, value in one.items() if name not in named} for one in others]
    return {**found, OTHERS: [as_json(one) for one in rest]}


def novel_row(report: UsageReport, row: Mapping[str, Any]) -> NovelRow:
    """As msgspec complains where it does not fit."""
    names = report.row.__struct_fields__
    known = {name: whole(value) for name, value in row.items() if name in names}
    others = dict(numbers({name: value for name, value in row.items() if name not in names}))
    return NovelRow(msgspec.convert(known, report.row), others)


def cost_columns(day: date, rows: Sequence[CostLine], grouped_by: str, refused_on: date | None) -> DayColumns:
    told: Mapping[str, Callable[[CostLine], Any]] = {
        # the books list the items of a line one below the other
        "line_item": lambda row: row.line_item and row.line_item.replace("\n", " "),
        "project_id": lambda row: row.project_id,
        "api_key_id": lambda row: row.api_key_id,
        "amount": lambda row: exact(row.amount.value),
        "currency": lambda row: row.amount.currency.upper(),
        "quantity": lambda row: None if row.quantity is None else exact(row.quantity),
        "quantity_unit": lambda row: row.quantity_unit,
    }
    columns: dict[str, Sequence[Any]] = {name: [tell(row) for row in rows] for name, tell in told.items()}
    same = {"usage_date": day, "grouped_by": grouped_by, "refused_on": refused_on}
    return DayColumns(len(rows), columns, same)
