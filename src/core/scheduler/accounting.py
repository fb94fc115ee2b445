"""Usage as it is counted beside usage as the runs tell it, and the one mended by the other."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from src.core.base.identity import Actor
from src.core.ledger.store import Unit
from src.core.ledger.tables import orgs, usage_counts
from src.core.ledger.tables.usage_counts import CounterRow, Counters, Span
from src.core.scheduler.recovery import STRANDED
from src.core.step import audit_trail
from src.core.step.context import Services

MENDINGS = 3  # a run that begins or ends meanwhile has it looked at anew


@dataclass(frozen=True, slots=True)
class UsageAccount:
    row: CounterRow
    found: Counters

    @property
    def agrees(self) -> bool:
        return self.row.counted == self.found

    def __str__(self) -> str:
        told, found, day = self.row.counted, self.found, self.row.usage_date
        parts = [
            f"{said} runs counted {where}, and there are {there}"
            for said, there, where in (
                (told.run_today, found.run_today, f"on {day}"),
                (told.run_month, found.run_month, f"in {day:%Y-%m}"),
                (told.running, found.running, "as not over"),
            )
            if said != there
        ]
        return f"{self.row.org_slug}: {'; '.join(parts) or 'agrees'}"


@dataclass(frozen=True, slots=True)
class UsageAudit:
    looked_at: int
    disagreeing: tuple[UsageAccount, ...]
    in_use: tuple[str, ...]
    """Where nothing is undone, a run that is being admitted is counted before it is there: these are to be looked at later."""


def check(services: Services) -> UsageAudit:
    accounts = services.ledger.read(_accounts)
    differ = [account for account in accounts if not account.agrees]
    busy = [account for account in differ if not _at_rest(services, account)]
    return UsageAudit(
        len(accounts), tuple(account for account in differ if account not in busy), tuple(account.row.org_slug for account in busy)
    )


def mend(services: Services, account: UsageAccount) -> bool:
    """False when it is being used: its counters changed each time they were looked at."""
    return any(services.ledger.write(_mend, services, account.row.org_slug) for _ in range(MENDINGS))


def _mend(unit: Unit, services: Services, slug: str) -> bool:
    # who is being admitted has counted and is there, or neither; who ends meanwhile is seen by what the counters were
    orgs.alone(unit, slug)
    found = _accounts(unit, slug)
    if not found or found[0].agrees:
        return True
    account = found[0]
    if not _at_rest(services, account) or not usage_counts.correct(unit, account.row, account.found, services.clock.now()):
        return False
    details = {"was": account.row.counted._asdict(), "is": account.found._asdict(), "usage_date": account.row.usage_date}
    audit_trail.note(unit, services, Actor("system"), "quotas.mend", f"organizations/{slug}/quota", org_slug=slug, details=details)
    return True


def _at_rest(services: Services, account: UsageAccount) -> bool:
    return services.ledger.traits.undoes or account.row.updated_at < services.clock.now() - STRANDED


def _accounts(unit: Unit, slug: str | None = None) -> list[UsageAccount]:
    # the counters first: what changes after them is seen when they are corrected
    rows = usage_counts.rows(unit, slug)
    running = usage_counts.open_runs(unit, slug)
    accounts = []
    # one question for all organisations of a zone whose counters stand for the same day
    for (zone, day), group in _by_day(rows):
        admitted = usage_counts.admitted(unit, zone, _span(zone, day), slug)
        for row in group:
            today, month = admitted.get(row.org_slug, (0, 0))
            accounts.append(UsageAccount(row, Counters(today, month, running.get(row.org_slug, 0))))
    return sorted(accounts, key=lambda account: account.row.org_slug)


def _by_day(rows: Iterable[CounterRow]) -> list[tuple[tuple[str, date], list[CounterRow]]]:
    def key(row: CounterRow) -> tuple[str, date]:
        return row.timezone, row.usage_date

    return [(day, list(group)) for day, group in groupby(sorted(rows, key=key), key=key)]


def _span(zone: str, day: date) -> Span:
    def midnight(of: date) -> datetime:
        return datetime.combine(of, time(), ZoneInfo(zone))

    return Span(month=midnight(day.replace(day=1)), day=midnight(day), end=midnight(day + timedelta(days=1)))
