"""A reconciliation and its rules as the API shows them."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from fastapi.responses import Response

from src.app.answers.cost_tables import json_answer, moment
from src.core.base.identity import Tenant
from src.core.costs.amounts import money
from src.core.costs.reconciliation import CAUSES, Reconciled, ReconciledLine, ReconciliationQuestion
from src.core.engine.port import ColumnKind
from src.core.step.reconciliation.rules import RulesInForce

AMOUNTS: Final = ("billed", "computed", "reported", "difference")
NOTE: Final = (
    "These are for days made from now on: a day that is there keeps its figure until it is loaded again or "
    "POST /api/v1/pipelines/run/{org}/{provider}/reprice makes it anew."
)


def rules_shown(found: RulesInForce) -> dict[str, Any]:
    rules = found.rules
    shares = {name: format(getattr(rules, name), "f") for name in ("warn_share", "hold_share", "least_amount")}
    return {"provider": found.provider, "bill": rules.bill, **shares, "whose": dict(found.whose)}


def columns(question: ReconciliationQuestion) -> dict[str, ColumnKind]:
    keys: dict[str, ColumnKind] = {name: "day" if name == "day" else "text" for name in question.groups}
    causes: dict[str, ColumnKind] = {} if question.by_cause else dict.fromkeys(CAUSES, "exact_money")
    return {
        **keys,
        "currency": "text",
        "sides": "text",
        "figure": "text",
        **dict.fromkeys(AMOUNTS, "exact_money"),
        **causes,
        "least_price_ratio": "money",
        "most_price_ratio": "money",
        "remainder": "text",
        "line_count": "count",
    }


def rows(question: ReconciliationQuestion, found: Reconciled) -> list[dict[str, Any]]:
    causes: Mapping[str, Any] = {} if question.by_cause else dict.fromkeys(CAUSES)
    return [
        {**_facts(line), **{name: getattr(line, name) for name in AMOUNTS}, **causes, **_causes(question, line)} for line in found.lines
    ]


def _causes(question: ReconciliationQuestion, line: ReconciledLine) -> Mapping[str, Decimal | None]:
    return {} if question.by_cause else line.causes


def _facts(line: ReconciledLine) -> dict[str, Any]:
    keys = {name: date.fromisoformat(value) if name == "day" and value else value for name, value in line.keys.items()}
    least, most = line.ratios
    return {
        **keys,
        "currency": line.currency,
        "sides": line.sides,
        "figure": line.figure,
        "least_price_ratio": least,
        "most_price_ratio": most,
        "remainder": line.remainder,
        "line_count": line.lines,
    }


def answer(tenant: Tenant, question: ReconciliationQuestion, found: Reconciled, rule: RulesInForce) -> Response:
    return json_answer(
        {
            "org_slug": tenant.org_slug,
            "provider": question.provider,
            "from": str(question.window.start),
            "to": str(question.window.end),
            "group_by": question.groups,
            "rule": rules_shown(rule),
            "verified": [
                {
                    "month": one.month,
                    "currency": one.currency,
                    "billed": money(one.billed),
                    "money": money(one.money),
                    "verified": money(one.verified),
                    "share": money(one.share),
                    "open": {name: money(amount) for name, amount in one.open.items()},
                }
                for one in found.months
            ],
            "verified_since": found.first_day and str(found.first_day),
            "told_since": moment(found.told_since),
            "days": found.sides,
            "days_without_both": {str(day): sides for day, sides in found.not_both},
            "completeness": found.completeness,
            "as_of": moment(found.as_of),
            "rows": [_row(question, line) for line in found.lines],
            "next_cursor": found.next_cursor,
        }
    )


def _row(question: ReconciliationQuestion, line: ReconciledLine) -> dict[str, Any]:
    facts = _facts(line)
    ratios = {name: None if facts[name] is None else money(facts[name]) for name in ("least_price_ratio", "most_price_ratio")}
    known = line.causes and not question.by_cause
    causes = {name: money(amount) for name, amount in line.causes.items()} if known else None
    amounts = {name: money(getattr(line, name)) for name in AMOUNTS}
    return {**facts, **line.keys, **ratios, **amounts, "causes": causes}
