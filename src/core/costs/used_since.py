"""From which day on each provider is used: of days before the first that was loaded it is not known that they hold nothing."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Self

from src.core.base.documents import read_text
from src.core.base.faults import Conflict, Flaw, Missing, Rejected
from src.core.base.identity import Actor, Tenant
from src.core.base.window import EARLIEST
from src.core.costs.sight import Row, SeenDays
from src.core.ledger.store import Unit
from src.core.step.books.reasons import NO_CALL
from src.core.step.context import Services
from src.core.step.reconciliation import rules
from src.core.step.reconciliation.rules import RulesChange

TOLD_DAYS: Final = "x_cost_daily"
FIRST_USE: Final = "costs/first_use.sql"


@dataclass(frozen=True)
class UsedSince:
    told: Mapping[str, date] = field(default_factory=dict)
    """By provider, as a person said it."""

    @classmethod
    def of(cls, unit: Unit, org_slug: str) -> Self:
        return cls(rules.used_since(unit, org_slug))

    @property
    def parameter(self) -> list[str]:
        # a list of nothing has no type on BigQuery
        return ["", *(f"{since} {provider}" for provider, since in sorted(self.told.items()))]

    def seen(self, found: dict[str, Any], asked: SeenDays, org_slug: str) -> dict[str, Any]:
        """The rows of a statement: a day that nobody asked a provider for lacks it, but for days before it was used."""
        if "spans" not in found or "marks" not in found:
            return found
        spans = {row["provider"]: self._span(row) for row in found["spans"]}
        unused = {**self.told, **{name: row["used_since"] for name, row in spans.items()}}
        marks = [*found["marks"], *_never_asked(spans, found, asked)]
        expected = [row for row in marks if row["status"] != "missing" or not _before(row["usage_date"], unused.get(row["provider"]))]
        found["spans"] = list(spans.values())
        found["marks"] = [_with_call(row, spans[row["provider"]], org_slug) if row["provider"] in spans else row for row in expected]
        return found

    def _span(self, row: Row) -> Row:
        since, used = self.told.get(row["provider"]), row["first_used"]
        if since is None:
            return {**row, "used_since": None}
        # what was read goes before what was said
        since = min(since, used or since)
        return {**row, "used_since": since, "first_day": max(since, row["first_day"])}


NOBODY_SAID: Final = UsedSince()


def _never_asked(spans: Mapping[str, Row], found: Row, asked: SeenDays) -> Iterator[Row]:
    known = {(row["provider"], row["usage_date"]) for column in ("marks", "unmarked") for row in found.get(column) or ()}
    days = sorted({day for window in asked.windows for day in window if day < asked.today})
    for provider, span in spans.items():
        for day in days:
            if day < span["first_day"] and (provider, day) not in known:
                run = (span.get("remedy") or NO_CALL).run(day, day)
                why = f"nobody has asked for this day; {run}"
                nothing = {"source_as_of": None, "published_at": None}
                yield {"usage_date": day, "provider": provider, "status": "missing", "reason": why, **nothing}


def _with_call(row: Row, span: Row, org_slug: str) -> Row:
    used = span["first_used"]
    if row["status"] != "missing" or row["reason"] is None or not _before(row["usage_date"], used or date.max):
        return row
    body = json.dumps({"since": str(used or span["first_day"])})
    call = f"PUT /api/v1/costs/{org_slug}/used-since/{row['provider']} {body}"
    return {**row, "reason": f"{row['reason']}; where it was not used yet, say so: {call}"}


def _before(day: date, since: date | None) -> bool:
    return since is not None and day < since


def told(unit: Unit, org_slug: str, provider: str) -> date | None:
    return rules.used_since(unit, org_slug).get(provider)


def tell(services: Services, actor: Actor, tenant: Tenant, provider: str, since: date | None) -> None:
    """None takes back what was told."""
    today = services.clock.now().date()
    if since is not None and not EARLIEST <= since <= today:
        raise Rejected(
            f"{since} is no day since which {provider} can be used; name one from {EARLIEST} to {today}",
            flaws=[Flaw("is to come, or before all days that costs are kept for", "since")],
        )
    used = None if since is None else _first_use(services, tenant, provider)
    if since is not None and used is not None and used < since:
        raise Conflict(f"{provider} tells of use on {used}, before {since}; name that day or an earlier one")
    rules.change(services, actor, tenant, RulesChange(provider, {rules.USED_SINCE: since}))


def _first_use(services: Services, tenant: Tenant, provider: str) -> date | None:
    question = read_text(services.settings.configs_dir / FIRST_USE, f"configs/{FIRST_USE}")
    try:
        services.warehouse.columns(tenant, TOLD_DAYS)
    except Missing:
        return None
    day: date | None = services.warehouse.query(tenant, question, {"provider": provider}).to_pylist()[0]["day"]
    return day
