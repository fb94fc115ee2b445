"""A month's statement and its invoices as the API shows them: as JSON, and as rows of a file."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.responses import Response

from src.app.answers.cost_tables import compared_with, json_answer, moment, restatement_shown, sums
from src.core.base.identity import Tenant
from src.core.costs.amounts import money
from src.core.costs.bridge import Bridge
from src.core.costs.question import CostQuestion
from src.core.costs.statement import MonthStatement
from src.core.costs.verification import Verification
from src.core.engine.port import ColumnKind
from src.core.ledger.tables.invoices import Invoice, newest


def statement_answer(tenant: Tenant, found: MonthStatement) -> Response:
    return json_answer(statement_shown(tenant, found))


def statement_shown(tenant: Tenant, found: MonthStatement) -> dict[str, Any]:
    window, summary = found.question.window, found.summary
    return {
        "org_slug": tenant.org_slug,
        "month": f"{found.month:%Y-%m}",
        "from": str(window.start),
        "to": str(window.end),
        "group_by": found.question.groups,
        "as_of": moment(summary.as_of),
        "trust": found.trust,
        "closed": found.closed,
        "verified": found.verified,
        "previous": compared_with(summary),
        "totals": list(sums(summary.totals)),
        "rows": list(sums(summary.groups)),
        "rows_left_off": summary.groups_left_off,
        "completeness": summary.completeness,
        "not_complete": [
            {"usage_date": str(one.usage_date), "completeness": one.completeness, "reason": one.reason} for one in found.not_complete
        ],
        "bridge": [_bridge(one) for one in found.bridges],
        "verification": verification_shown(found.verifications),
        "restatements": [restatement_shown(change) for change in summary.restatements],
        "restatements_left_off": summary.restatements_left_off,
    }


def _bridge(one: Bridge) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "currency": one.currency,
        "days": money(one.days),
        "parts": [
            {"part": part.name, "net_cost": money(part.net_cost), "row_count": part.row_count, "sentence": part.sentence}
            for part in one.parts
        ],
        "invoice": money(one.invoice),
        "zone": one.zone,
        "closed": one.closed,
        "why_open": one.why_open,
    }


def verification_shown(found: Sequence[Verification]) -> list[dict[str, Any]]:
    return [
        {
            "provider": one.provider,
            "currency": one.currency,
            "billed": money(one.billed),
            "verified": one.verified,
            "share": money(one.share),
            "since": moment(one.since),
            "why": one.why,
            "checks": [
                {
                    "against": check.against,
                    "money": money(check.money),
                    "verified": money(check.verified),
                    "share": money(check.share),
                    "since": moment(check.since),
                    "sentence": check.sentence,
                }
                for check in one.checks
            ],
        }
        for one in found
    ]


def invoices_answer(tenant: Tenant, provider: str, month: str, history: list[Invoice], verified: Sequence[Verification]) -> dict[str, Any]:
    return {
        "org_slug": tenant.org_slug,
        "provider": provider,
        "month": month,
        "invoices": [_invoice(one) for one in newest(history)],
        "history": [_invoice(one) for one in history],
        "verification": verification_shown(verified),
    }


def _invoice(one: Invoice) -> dict[str, Any]:
    return {
        "currency": one.currency,
        "version": one.version,
        "amount": money(one.amount),
        "tax": money(one.tax),
        "number": one.invoice_number,
        "recorded_at": moment(one.recorded_at),
        "recorded_by": one.recorded_by,
    }


AMOUNTS: dict[str, ColumnKind] = {
    "net_cost": "exact_money",
    "previous_net_cost": "exact_money",
    "change_net_cost": "exact_money",
    "change_net_percent": "money",
}


def statement_columns(question: CostQuestion) -> dict[str, ColumnKind]:
    """`kind` says what a line is: a row, a total, a part of the bridge, what is verified, a restatement, or the sentence of trust."""
    keys: dict[str, ColumnKind] = dict.fromkeys(question.groups, "text")
    return {"kind": "text", "month": "text", "provider": "text", **keys, "currency": "text", "part": "text", **AMOUNTS, "said": "text"}


def statement_rows(found: MonthStatement) -> list[dict[str, Any]]:
    empty = dict.fromkeys(statement_columns(found.question))
    month = f"{found.month:%Y-%m}"
    return [{**empty, "month": month, **line} for line in _lines(found)]


def _lines(found: MonthStatement) -> Iterator[dict[str, Any]]:
    yield {"kind": "trust", "said": found.trust}
    yield {"kind": "compared_with", "said": found.summary.comparison.sentence}
    for kind, each in (("total", found.summary.totals), ("row", found.summary.groups)):
        for one in each:
            yield {
                "kind": kind,
                **one.keys,
                "currency": one.currency,
                "net_cost": one.now.net_cost,
                "previous_net_cost": one.before.net_cost,
                "change_net_cost": one.change.net_cost,
                "change_net_percent": one.change.net_percent,
                "said": one.why_null,
            }
    for bridge in found.bridges:
        whose = {"kind": "bridge", "provider": bridge.provider, "currency": bridge.currency}
        yield {**whose, "part": "days", "net_cost": bridge.days}
        for part in bridge.parts:
            yield {**whose, "part": part.name, "net_cost": part.net_cost, "said": part.sentence}
        yield {**whose, "part": "invoice", "net_cost": bridge.invoice, "said": bridge.why_open or "closed"}
    for one_ in found.verifications:
        whose = {"kind": "verified", "provider": one_.provider, "currency": one_.currency}
        said = one_.why or "; ".join(check.sentence for check in one_.checks)
        yield {**whose, "net_cost": one_.billed, "part": None if one_.share is None else money(one_.share), "said": said}
    for change in found.summary.restatements:
        yield {"kind": "restatement", "provider": change.provider, "currency": change.currency, "said": change.sentence}
