"""Providers of models, whose accounts are asked by the day of use, and exports that are delivered by the month."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

from src.core.base.faults import Unavailable
from src.core.base.identity import Tenant
from src.core.base.window import Window
from src.core.ledger.tables.credentials import list_for
from src.core.providers.slices import OnBytes, Slice
from src.core.step.context import StepContext
from src.core.step.counted import opened_sources
from src.core.step.source.by_day import Row, days_asked
from src.core.step.source.engine import SourceEngine
from src.core.step.source.port import Source
from tests.core.histories.customer import Customer
from tests.core.step.source.acme import READ, Delivered, Leaf, configured, used
from tests.fakes.billing import Billing

SINCE = date(2026, 9, 20)
ACCOUNTS = ("account-1", "account-2", "account-3")
RESTATES, CLOSING_DAY = 2, 10
CENTS = 100  # tokens that cost one
NOTHING = Decimal(0)
WHOLE = ("complete", "missing")
AXES = {"used": "{used: {restates: 2}}", "period": "{period: {closing_day: 10}}"}
ATTEMPTS = count(1)
VIEW = """SELECT
  usage_date,
  'acme' AS provider,
  model AS account_id,
  CAST(NULL AS STRING) AS project_id,
  CAST(NULL AS STRING) AS project_name,
  model AS service,
  CAST(NULL AS STRING) AS sku,
  CAST(NULL AS STRING) AS region,
  CAST(NULL AS STRING) AS labels,
  'regular' AS cost_type,
  invoice_month,
  currency,
  cost AS billed_cost,
  credits,
  net_cost,
  row_count
FROM acme_cost_daily
"""


def books(here: Billing, axis: str) -> Path:
    configs = configured(here, AXES[axis])
    views = configs / "acme/cost/views"
    views.mkdir()
    (views / "billing_cost_daily.sql").write_text(VIEW)
    return configs


class StoredAccounts(Leaf):
    """Whose costs count goes by the credentials that are stored, as of every provider that is asked by the day."""

    def counting(self, context: StepContext, tenant: Tenant) -> frozenset[str]:
        return frozenset(opened_sources(self.name, context.services.ledger.read(list_for, tenant.org_slug)))


@dataclass(frozen=True, slots=True)
class Asked:
    """What an account told of a day when it was asked last, and on which day that was."""

    tokens: int
    on: date


@dataclass(frozen=True, slots=True)
class Gone:
    account: str
    day: date


@dataclass
class Reports:
    """What each account tells of each day, by the day or by the month; after a day has settled it tells the same for ever."""

    here: Billing
    configs: Path
    by_month: bool = False
    tally: Counter[str] = field(default_factory=Counter)
    tells: dict[tuple[str, date], int] = field(default_factory=dict)
    asked: dict[tuple[str, date], Asked] = field(default_factory=dict)
    delivered: set[tuple[str, str]] = field(default_factory=set)
    """Accounts with the months that are there to be read, each as it stands at any moment."""
    stored: dict[str, str] = field(default_factory=dict)
    """The account of each credential, by name."""
    judged: set[str] = field(default_factory=set)
    """The accounts that days were judged by."""
    gone: list[Gone] = field(default_factory=list)
    sound: bool = True

    def __post_init__(self) -> None:
        engine = SourceEngine.read(StoredAccounts(), self.configs)
        self.customer = Customer(self.here, "acme", engine, self.configs, READ)

    @property
    def today(self) -> date:
        return self.here.clock.today

    def settles(self, day: date) -> date:
        if self.by_month:
            return (day.replace(day=1) + timedelta(31)).replace(day=CLOSING_DAY)
        return day + timedelta(RESTATES + 1)

    # what happens in the world

    def pass_days(self, days: int) -> None:
        for _ in range(days):
            self.here.clock.today += timedelta(1)
            for account in ACCOUNTS:
                self.tells[account, self.today] = CENTS

    def tell(self, account: str, day: date, cost: int) -> None:
        """Of a day that has not settled it may say anything, and nothing too."""
        if self.today < self.settles(day) and day >= SINCE:
            self.tells[account, day] = CENTS * cost

    def deliver(self, account: str, month: str) -> None:
        self.delivered.add((account, month))

    def put_away(self, account: str, month: str) -> None:
        self.delivered.discard((account, month))

    # what the organisation does

    def store(self, name: str, account: str) -> None:
        before = self.stored.get(name)
        self.customer.store(name, account, {})
        self.stored[name] = account
        self._note_gone(before)

    def remove(self, name: str) -> None:
        self.customer.remove(name)
        self._note_gone(self.stored.pop(name))

    def _note_gone(self, before: str | None) -> None:
        if before and before in self.judged and before not in self.stored.values():
            self.gone.append(Gone(before, self.today))

    def run(self, name: str, first: date, last: date, *, reload: bool = False, fails: bool = False) -> bool:
        account = self.stored[name]
        with self._source(account, fails=fails) as source:
            try:
                self.customer.load(Window(first, last), [source], reload=reload)
            except Unavailable:
                return False
        self.tally["runs"] += 1
        self.judged |= set(self.stored.values())
        for day in self._looked_at(first, last):
            if not self.by_month or (account, f"{day:%Y-%m}") in self.delivered:
                self.asked[account, day] = Asked(self.tells.get((account, day), 0), self.today)
        return True

    def _looked_at(self, first: date, last: date) -> Window:
        """Of what a run over these days learns how it stands."""
        if self.by_month:
            return Window(first.replace(day=1), month_end(last))
        return Window(first - timedelta(RESTATES), min(last, self.today))

    def _source(self, account: str, *, fails: bool) -> AbstractContextManager[Source]:
        if self.by_month:
            return nullcontext(self._months(account, fails=fails))
        return self._days(account, fails=fails)

    def _months(self, account: str, *, fails: bool) -> Delivered:
        export = Unread(name=account) if fails else Delivered(name=account)
        for month in sorted(month for name, month in self.delivered if name == account):
            rows = [used(day, tokens, account) for day, tokens in self._told(account) if f"{day:%Y-%m}" == month]
            if rows:
                export.deliver(month, str(rows), *rows)
        return export

    @contextmanager
    def _days(self, account: str, *, fails: bool) -> Iterator[Source]:
        def ask(window: Window) -> Iterator[tuple[date, Row]]:
            for day, tokens in self._told(account):
                if day in window:
                    yield day, used(day, tokens, account)
            if fails:
                raise Unavailable(f"{account} cannot be read")

        columns = self.customer.engine.books["acme/cost"].raw["acme_usage_raw"].schema.fields[2:]
        io = self.here.parts.warehouse.io_folder(self.here.tenant)
        with days_asked(io, f"run{next(ATTEMPTS)}", {account: (columns, ask)}, self.today) as (source,):
            yield source

    def _told(self, account: str) -> list[tuple[date, int]]:
        return [(day, tokens) for (name, day), tokens in sorted(self.tells.items()) if name == account and tokens]

    # what must be true of it

    def check(self) -> None:
        self.sound = False
        told = self.customer.told(Window(SINCE, self.today), "account")
        for day, (standing, sums) in told.items():
            self.tally[f"days {standing.status}"] += 1
            for account in ACCOUNTS:
                asked = self.asked.get((account, day))
                said, right = sums.get(account, NOTHING), Decimal(asked.tokens if asked else 0) / CENTS
                assert said == right, f"{day} tells {said} of {account}, which told of {right} when it was asked last"
            if standing.status == "complete":
                lacks = list(self._lacks(day))
                assert not lacks, f"{day} is told as complete: {'; '.join(lacks)}"
        self.sound = True

    def _lacks(self, day: date) -> Iterator[str]:
        left = {one.account: one.day for one in self.gone}
        for account in ACCOUNTS:
            if account not in self.stored.values() and left.get(account, date.min) < day:
                continue
            asked = self.asked.get((account, day))
            if asked is None:
                yield f"{account} was never asked for it"
            elif asked.on < self.settles(day):
                yield f"{account} was last asked for it on {asked.on}, and could tell it otherwise until {self.settles(day)}"

    def finish(self) -> None:
        """All is read whole, long after: no day is less than complete."""
        before = self.today
        self.pass_days(1)
        self.here.clock.today += timedelta(70)
        self.delivered |= {(account, f"{day:%Y-%m}") for account, day in self.tells}
        for name in sorted(self.stored):
            self.run(name, SINCE, self.today)
        self.check()
        if self.stored and not self.gone:
            told = self.customer.told(Window(SINCE, before), "account")
            lacking = [
                f"{day} is told as {standing.status}: {standing.reason}"
                for day, (standing, _) in told.items()
                if standing.status not in WHOLE
            ]
            assert not lacking, "; ".join(lacking)


class Unread(Delivered):
    """Its provider does not answer who fetches rows."""

    def fetch(self, slices: Sequence[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        raise Unavailable(f"{self.name} cannot be read")


def month_end(day: date) -> date:
    return (day.replace(day=1) + timedelta(31)).replace(day=1) - timedelta(1)
