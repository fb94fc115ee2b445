"""Rows of usage, costs and Claude Code as the columns of the tables that they go to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from src.core.providers.anthropic.reports import MEASURES, Api, CentAmount, CodeRow, MeasuredUse, RowGroups
from src.core.providers.http.buckets import DAY
from src.core.providers.slices import DayColumns
from src.core.providers.told import as_json, exact, numbers

# of the others of its row
SUMS = frozenset({"total_tokens"})
USED_BY = (
    *("workspace_id", "api_key_id", "account_id", "service_account_id", "model", "service_tier"),
    *("context_window", "inference_geo", "speed", "product"),
)
COST_OF = (
    *("organization_id", "workspace_id", "api_key_id", "cost_type", "token_type", "description"),
    *("model", "service_tier", "context_window", "inference_geo", "product"),
)
SEAT_OF = ("product", "model", "workspace_id", "api_key_id")
SEAT_MEASURES: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("uncached_input_tokens",),
    "cached_input_tokens": ("cache_read_input_tokens",),
    "cache_write_tokens": ("cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens"),
    "output_tokens": ("output_tokens",),
    "requests": ("requests",),
}
CODE_TOKENS: Mapping[str, str] = {
    "input": "input_tokens",
    "cache_read": "cached_input_tokens",
    "cache_creation": "cache_write_tokens",
    "output": "output_tokens",
}
CODE_COLUMNS = (
    *("actor_type", "actor", "customer_type", "model", *CODE_TOKENS.values()),
    *("num_sessions", "estimated_cost", "currency"),
)


@dataclass(frozen=True, slots=True)
class UsedRow:
    groups: RowGroups
    measures: Mapping[str, int | Decimal]
    """All its numbers that are not 0, by the path that leads there."""


@dataclass(frozen=True, slots=True)
class CostRow:
    groups: RowGroups
    money: CentAmount


@dataclass(frozen=True, slots=True)
class ToldBy:
    """Which generation of reports tells a bucket, and until when its figures go; not told is None."""

    api: Api
    refreshed_at: datetime | None = None

    def same(self, start: int, seconds: int) -> dict[str, Any]:
        begun = datetime.fromtimestamp(start, UTC)
        end = begun + timedelta(seconds=seconds)
        # beyond the bucket's end it would be another at each look, and no day the one that was loaded
        until = None if self.refreshed_at is None else min(self.refreshed_at.astimezone(UTC), end)
        return {"usage_date": begun.date(), "told_by": self.api, "told_until": until}


def used_row(row: Mapping[str, Any]) -> UsedRow:
    """As msgspec complains where it does not fit."""
    msgspec.convert(row, MeasuredUse)
    return UsedRow(msgspec.convert(row, RowGroups), {path: value for path, value in numbers(row) if path not in SUMS})


def cost_row(row: Mapping[str, Any]) -> CostRow:
    return CostRow(msgspec.convert(row, RowGroups), msgspec.convert(row, CentAmount))


def usage_columns(start: int, seconds: int, rows: Sequence[UsedRow], told: ToldBy) -> DayColumns:
    """Of one bucket, which begins at `start`."""
    begun = datetime.fromtimestamp(start, UTC)
    columns: dict[str, Sequence[Any]] = {name: [getattr(row.groups, name) for row in rows] for name in USED_BY}
    columns |= {name: [row.measures.get(path, 0) for row in rows] for path, name in MEASURES.items()}
    others = ({path: value for path, value in row.measures.items() if path not in MEASURES} for row in rows)
    columns["other_measures"] = [as_json(one) for one in others]
    return DayColumns(len(rows), columns, {**told.same(start, seconds), "bucket_start": begun, "bucket_seconds": seconds})


def cost_columns(start: int, rows: Sequence[CostRow], told: ToldBy) -> DayColumns:
    columns: dict[str, Sequence[Any]] = {name: [getattr(row.groups, name) for row in rows] for name in COST_OF}
    columns |= _money("amount", rows)
    columns["list_amount"] = [None if row.money.list_amount is None else cents(row.money.list_amount) for row in rows]
    return DayColumns(len(rows), columns, told.same(start, DAY))


def seat_use_columns(start: int, rows: Sequence[UsedRow], told: ToldBy) -> DayColumns:
    """Of products that are no use of the API."""
    columns: dict[str, Sequence[Any]] = {name: [getattr(row.groups, name) for row in rows] for name in SEAT_OF}
    columns |= {name: [sum(int(row.measures.get(path, 0)) for path in paths) for row in rows] for name, paths in SEAT_MEASURES.items()}
    return DayColumns(len(rows), columns, told.same(start, DAY))


def seat_cost_columns(start: int, rows: Sequence[CostRow], told: ToldBy) -> DayColumns:
    columns: dict[str, Sequence[Any]] = {name: [getattr(row.groups, name) for row in rows] for name in SEAT_OF}
    return DayColumns(len(rows), columns | _money("estimated_cost", rows), told.same(start, DAY))


def code_columns(day: date, rows: Sequence[CodeRow]) -> DayColumns:
    """A row for what a person or key did, and one for each model that was used for it. Who the person is, is not kept."""
    lines: list[dict[str, Any]] = []
    for row in rows:
        same = {"customer_type": row.customer_type, "actor_type": row.actor.type, "actor": row.actor.api_key_name}
        lines.append({**same, "num_sessions": row.core_metrics.num_sessions})
        for used in row.model_breakdown:
            line = {**same, "model": used.model, **{name: used.tokens.get(told, 0) for told, name in CODE_TOKENS.items()}}
            cost = used.estimated_cost
            lines.append({**line, "estimated_cost": cents(cost.amount), "currency": cost.currency.upper()} if cost else line)
    columns = {name: [line.get(name) for line in lines] for name in CODE_COLUMNS}
    return DayColumns(len(lines), columns, {"usage_date": day, "told_by": "reports", "product": "claude_code"})


def cents(amount: Decimal) -> Decimal:
    """In whole units of the currency, digit for digit."""
    return exact(amount.scaleb(-2))


def _money(name: str, rows: Sequence[CostRow]) -> dict[str, Sequence[Any]]:
    return {name: [cents(row.money.amount) for row in rows], "currency": [row.money.currency.upper() for row in rows]}
