"""Costs of models as the API shows them."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from fastapi.responses import Response

from src.app.answers.cost_tables import json_answer, moment
from src.core.base.identity import Tenant
from src.core.costs.amounts import money
from src.core.costs.models import ApartUse, ModelCost, ModelCosts, ModelQuestion, SeatMonth
from src.core.engine.port import ColumnKind

FIGURES: Final[Mapping[str, ColumnKind]] = {
    "currency": "text",
    "tokens": "count",
    "quantity": "count",
    "unit": "text",
    "requests": "count",
    "figure": "text",
    "cost": "exact_money",
    "credits": "exact_money",
    "net_cost": "exact_money",
    "whole": "text",
    "cost_least": "exact_money",
    "cost_most": "exact_money",
    "computed_cost": "exact_money",
    "unpriced_tokens": "count",
    "unpriced_rows": "count",
    "cost_per_million": "money",
    "input_tokens": "count",
    "cached_share": "money",
    "cache_saved": "exact_money",
    "batch_share": "money",
    "batch_saved": "exact_money",
    "completeness": "text",
}
AMOUNTS: Final = tuple(name for name, kind in FIGURES.items() if kind in ("money", "exact_money"))


def columns(question: ModelQuestion) -> dict[str, ColumnKind]:
    keys: dict[str, ColumnKind] = {name: "day" if name == "day" else "text" for name in question.keys}
    return {"kind": "text", "provider": "text", **keys, **FIGURES}


def rows(found: ModelCosts) -> list[dict[str, Any]]:
    return [
        {
            "kind": "api",
            "provider": line.provider,
            **{name: date.fromisoformat(value) if name == "day" and value else value for name, value in line.keys.items()},
            **_figures(line),
            "whole": str(line.whole).lower(),
        }
        for line in found.lines
    ]


def answer(tenant: Tenant, question: ModelQuestion, found: ModelCosts) -> Response:
    return json_answer(
        {
            "org_slug": tenant.org_slug,
            "from": str(question.window.start),
            "to": str(question.window.end),
            "group_by": question.groups,
            "as_of": moment(found.as_of),
            "rows": [{"kind": "api", "provider": line.provider, **line.keys, **_shown(line)} for line in found.lines],
            "totals": [_shown(total) for total in found.totals],
            "claude_code": [_apart(one) for one in found.apart],
            "claude_code_not_told": [
                {**asdict(one), "first_day": str(one.first_day), "last_day": str(one.last_day)} for one in found.apart_untold
            ],
            "seats": [_seats(one) for one in found.seats],
            "left_out": [asdict(one) for one in found.left_out],
            "completeness": found.completeness,
            "not_complete": [{**asdict(one), "usage_date": str(one.usage_date)} for one in found.not_complete],
            "not_complete_left_off": found.not_complete_left_off,
            "next_cursor": found.next_cursor,
        }
    )


def _figures(line: ModelCost) -> dict[str, Any]:
    return {name: getattr(line, name) for name in FIGURES}


def _shown(line: ModelCost) -> dict[str, Any]:
    return {**_figures(line), **{name: money(getattr(line, name)) for name in AMOUNTS}}


def _apart(one: ApartUse) -> dict[str, Any]:
    told = {name: getattr(one, name) for name in ("provider", "product", "model", "currency", "sessions", "tokens")}
    days = {"first_day": str(one.first_day), "last_day": str(one.last_day)}
    return {"kind": "claude_code", **told, "estimated_cost": money(one.amount), **days}


def _seats(one: SeatMonth) -> dict[str, Any]:
    told = asdict(one)
    month = {"month": told.pop("invoice_month"), "first_day": str(one.first_day), "last_day": str(one.last_day)}
    return {"kind": "seats", **told, **month, "cost": money(one.cost)}
