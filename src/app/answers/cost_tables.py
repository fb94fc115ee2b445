"""Costs as the API shows them: as JSON, and as rows of a file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from fastapi.responses import Response

from src.core.base.identity import Tenant
from src.core.costs.amounts import Amounts, money
from src.core.costs.daily import Daily, DailyLine
from src.core.costs.question import CostQuestion
from src.core.costs.restatements import ShownRestatement
from src.core.costs.summary import Sum, Summary
from src.core.engine.port import ColumnKind

AMOUNTS: Mapping[str, ColumnKind] = {
    "currency": "text",
    "billed_cost": "money",
    "credits": "money",
    "net_cost": "money",
    "row_count": "count",
    "figure": "text",
}
STANDING: Mapping[str, ColumnKind] = {"completeness": "text", "completeness_reason": "text", "source_as_of": "moment"}
BEFORE: Mapping[str, ColumnKind] = {
    "previous_billed_cost": "money",
    "previous_credits": "money",
    "previous_net_cost": "money",
    "previous_row_count": "count",
    "change_billed_cost": "money",
    "change_net_cost": "money",
    "change_net_percent": "money",
    "why_null": "text",
}


def daily_columns(question: CostQuestion) -> dict[str, ColumnKind]:
    return {"usage_date": "day", **dict.fromkeys(question.groups, "text"), **AMOUNTS, **STANDING}


def summary_columns(question: CostQuestion) -> dict[str, ColumnKind]:
    return {**dict.fromkeys(question.groups, "text"), **AMOUNTS, **BEFORE}


def daily_rows(found: Daily) -> list[dict[str, Any]]:
    return [
        {
            "usage_date": line.usage_date,
            **line.keys,
            "currency": line.currency,
            **asdict(line.amounts),
            "figure": line.figure,
            **_standing(line),
        }
        for line in found.lines
    ]


def summary_rows(found: Summary) -> list[dict[str, Any]]:
    return [
        {
            **group.keys,
            "currency": group.currency,
            **asdict(group.now),
            "figure": group.figure,
            **{f"previous_{name}": value for name, value in asdict(group.before).items()},
            **{f"change_{name}": value for name, value in asdict(group.change).items()},
            "why_null": group.why_null,
        }
        for group in found.groups
    ]


def _standing(line: DailyLine) -> dict[str, Any]:
    standing = line.standing
    return {"completeness": standing.status, "completeness_reason": standing.reason, "source_as_of": standing.source_as_of}


def daily_answer(tenant: Tenant, question: CostQuestion, found: Daily) -> Response:
    return json_answer(
        {
            **_asked(tenant, question),
            "as_of": moment(found.as_of),
            "rows": [
                {
                    "usage_date": line.usage_date.isoformat(),
                    **line.keys,
                    "currency": line.currency,
                    **_amounts(line.amounts),
                    "figure": line.figure,
                    **_standing(line),
                    "source_as_of": moment(line.standing.source_as_of),
                }
                for line in found.lines
            ],
            "totals": [{"currency": total.currency, **_amounts(total.amounts), "figure": total.figure} for total in found.totals],
            "completeness": found.completeness,
            "next_cursor": found.next_cursor,
        }
    )


def summary_answer(tenant: Tenant, question: CostQuestion, found: Summary) -> Response:
    return json_answer(
        {
            **_asked(tenant, question),
            "as_of": moment(found.as_of),
            "completeness": found.completeness,
            "previous": compared_with(found),
            "totals": list(sums(found.totals)),
            "groups": list(sums(found.groups)),
            "groups_left_off": found.groups_left_off,
            "invoice_months": [
                {
                    "provider": invoice.provider,
                    "invoice_month": invoice.invoice_month,
                    "completeness": invoice.completeness,
                    "completeness_reason": invoice.completeness_reason,
                    "currency": invoice.currency,
                    **_amounts(invoice.amounts),
                    "figure": invoice.figure,
                    "pipeline_logging_id": invoice.pipeline_logging_id,
                    "published_at": moment(invoice.published_at),
                }
                for invoice in found.invoices
            ],
            "restatements": [restatement_shown(change) for change in found.restatements],
            "restatements_left_off": found.restatements_left_off,
        }
    )


def _asked(tenant: Tenant, question: CostQuestion) -> dict[str, Any]:
    window = question.window
    return {"org_slug": tenant.org_slug, "from": str(window.start), "to": str(window.end), "group_by": question.groups}


def compared_with(found: Summary) -> dict[str, Any]:
    by, before = found.comparison.by, found.comparison.window
    days = {"from": str(before.start), "to": str(before.end), "days": len(before)}
    return {"compare": by, "sentence": found.comparison.sentence, **days, "completeness": found.completeness_before}


def sums(found: Sequence[Sum]) -> Iterator[dict[str, Any]]:
    for one in found:
        change = {
            "billed_cost": money(one.change.billed_cost),
            "net_cost": money(one.change.net_cost),
            "net_percent": money(one.change.net_percent),
            "why_null": one.why_null,
        }
        now = {**_amounts(one.now), "figure": one.figure}
        yield {**one.keys, "currency": one.currency, **now, "previous": _amounts(one.before), "change": change}


def restatement_shown(change: ShownRestatement) -> dict[str, Any]:
    amounts = {name: money(getattr(change, name)) for name in ("billed_before", "billed_after", "net_before", "net_after")}
    moments = {"said_since": moment(change.said_since), "changed_at": moment(change.changed_at)}
    return {**asdict(change), **amounts, **moments}


def _amounts(amounts: Amounts) -> dict[str, str | int | None]:
    return {
        "billed_cost": money(amounts.billed_cost),
        "credits": money(amounts.credits),
        "net_cost": money(amounts.net_cost),
        "row_count": amounts.row_count,
    }


def moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def json_answer(body: Mapping[str, Any]) -> Response:
    # one address answers JSON or a file, by `Accept`: a cache that is not told would give one for the other
    return Response(json.dumps(body, ensure_ascii=False), media_type="application/json", headers={"Vary": "Accept"})
