"""An organisation whose clouds' bills are read while exports begin and are made anew, and credentials come and go."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import yaml

from src.core.base.faults import Conflict, Unavailable
from src.core.base.window import Window
from src.core.processors.gcp.bq_etl import BigQueryETLEngine
from src.core.providers.export import TablePlace
from src.core.step.books.gaps import month_before
from src.core.step.gcp.exports import ExportSource
from tests.core.histories.customer import Customer
from tests.core.histories.exports import Export
from tests.core.histories.truth import Charge, Truth, times_counted
from tests.fakes.billing import Billing

SINCE = date(2026, 9, 20)
BEGIN = date(2026, 9, 26)
RESELLER, CUSTOMER, OTHER = "0A-RESELLER", "0B-CUSTOMER", "0C-OTHER"
ACCOUNTS = (RESELLER, CUSTOMER, OTHER)
LATE_DAYS, CLOSING_DAY = 10, 10
USED_DAYS = 4
ZERO = Decimal(0)
WHOLE = ("complete", "missing")
REFUSED = "made anew, and tells less"


def closes(day: date) -> date:
    """Late rows have had their time, and the invoice of the day's month is closed."""
    return max((day.replace(day=1) + timedelta(31)).replace(day=CLOSING_DAY), day + timedelta(LATE_DAYS + 1))


@dataclass(frozen=True, slots=True)
class Look:
    moment: int
    day: date


@dataclass(slots=True)
class Stored:
    """A credential, and the table that counts of those it opens."""

    export: Export
    judged: bool = False
    """Whether a run has ended since it was stored, so that days were judged with it in mind."""


@dataclass(frozen=True, slots=True)
class Gone:
    export: Export
    day: date


@dataclass
class Clouds:
    here: Billing
    tally: Counter[str] = field(default_factory=Counter)
    """How much of what matters has come to pass."""
    truth: Truth = field(default_factory=Truth)
    exports: dict[str, Export] = field(default_factory=dict)
    stored: dict[str, Stored] = field(default_factory=dict)
    gone: list[Gone] = field(default_factory=list)
    looks: dict[str, Look] = field(default_factory=dict)
    """The last at each source that ended well."""
    listed: set[Charge] = field(default_factory=set)
    """Those of slices that somebody was told to be there."""
    moment: int = 0
    sound: bool = True
    """Nothing was found so far."""

    def __post_init__(self) -> None:
        self.here.clock.today = SINCE
        configs = self.here.parts.settings.configs_dir
        document = yaml.safe_load((configs / "gcp/cost/billing.yml").read_text())
        step = {name: value for name, value in document["steps"][2]["config"].items() if name != "credential_name"}
        self.customer = Customer(self.here, "gcp", BigQueryETLEngine().engine, configs, step)

    # what happens in the world

    def pass_days(self, days: int) -> None:
        """Of the first of them each account uses something every day."""
        for number in range(days):
            self.here.clock.today += timedelta(1)
            if number < USED_DAYS:
                for account in ACCOUNTS:
                    self.charge(account, self.here.clock.today)

    def begin(self, account: str, kind: str = "standard", dataset: str = "one", *, told: str = "nothing") -> Export:
        """An export is switched on: it tells of what is written from then on, and of what was before as `told` says."""
        self.moment += 1
        table = f"gcp_billing_export_{'resource_' if kind == 'detailed' else ''}v1_{account.replace('-', '_')}"
        place = TablePlace("proj", dataset, table)
        of = frozenset({RESELLER, CUSTOMER}) if account == RESELLER else frozenset({account})
        before = self.exports.get(place.source)
        made = Export(place, of, kind, self.here.clock.now(), self.moment)
        self.exports[place.source] = made
        made.since_ever = before is None and self.here.clock.today == SINCE
        self._fill(made, before, told)
        for one in self.stored.values():
            if one.export is before:
                one.export = made
        return made

    def fill_again(self, export: Export) -> None:
        """What it has not told of so far it tells now, as written today."""
        self.moment += 1
        for one in self.truth.charges:
            if one.account in export.accounts and one not in export.told and one.day >= month_before(export.made_at.date()):
                export.write(one, self.here.clock.now(), self.moment)

    def charge(self, account: str, day: date) -> Charge:
        """Something is used, and written today to every export that tells of it."""
        self.moment += 1
        made = self.truth.charge(account, day, self.moment)
        at = self.here.clock.now()
        for one in self.exports.values():
            if account in one.accounts:
                one.write(made, at, self.moment)
        return made

    def restate(self, account: str, load_day: date) -> Charge | None:
        """A load day that is over is written anew, and has a row more, in every export that was there by then."""
        there = [one for one in self.exports.values() if account in one.accounts and one.holds_day(load_day)]
        if not there:
            return None
        self.moment += 1
        made = self.truth.charge(account, load_day, self.moment)
        for one in there:
            one.write(made, self.here.clock.now(), self.moment, load_day)
        return made

    def put_away(self, export: Export, load_day: date) -> None:
        self.moment += 1
        rows = export.put_away(load_day)
        held = {one.charge for other in self.exports.values() for rows in other.parts.values() for one in rows}
        self.truth.unknowable |= {one.charge for one in rows} - held - self.listed

    def _fill(self, made: Export, before: Export | None, told: str) -> None:
        at = self.here.clock.now()
        for one in self.truth.charges:
            if one.account not in made.accounts or told == "nothing":
                continue
            if told == "half" and one.day.toordinal() % 2:
                continue
            # a provider fills an export that begins with what was used since the month before; a copy holds what it is a copy of
            copied = told == "as it was" and before is not None
            if not copied and one.day < month_before(made.made_at.date()):
                continue
            if copied and before:
                days = [day for day, rows in before.parts.items() if any(row.charge == one for row in rows)]
                for day in days:
                    made.write(one, at, self.moment, day)
            else:
                made.write(one, at, self.moment)

    # what the organisation does

    def store(self, name: str, export: Export) -> None:
        table = {"project": export.table.project, "dataset": export.table.dataset, "table": export.table.table, "kind": export.kind}
        named = next(account for account in ACCOUNTS if export.name.endswith(account.replace("-", "_")))
        facts = [{**table, "billing_account": named, "counts": True}]
        before = self.stored.get(name)
        self.customer.store(name, "reader", {"tables": facts})
        self.stored[name] = Stored(export)
        self._note_gone(before)

    def remove(self, name: str) -> None:
        self.customer.remove(name)
        self._note_gone(self.stored.pop(name))

    def _note_gone(self, before: Stored | None) -> None:
        if before and before.judged and before.export.name not in {one.export.name for one in self.stored.values()}:
            self.gone.append(Gone(before.export, self.here.clock.today))

    def run(self, name: str, first: date, last: date, *, late_days: int | None = None, reload: bool = False, fails: bool = False) -> bool:
        """Whether it ended well."""
        export = self.stored[name].export
        if export not in self.counting():
            return False
        assert export.name in self.customer.counting(), f"{export.name} does not count, where {self.counting()} do"
        export.failing = fails
        # what was listed is known to be there, also where nothing came of the run
        self.listed |= {row.charge for rows in export.parts.values() for row in rows}
        try:
            self.customer.load(Window(first, last), [ExportSource(export.table, export)], late_days=late_days, reload=reload)
        except Unavailable:
            return False
        except Conflict as refused:
            if REFUSED not in refused.detail:
                raise
            self.tally["runs refused"] += 1
            return False
        finally:
            export.failing = False
        self.tally["runs"] += 1
        self.looks[export.name] = Look(self.moment, self.here.clock.today)
        for one in self.stored.values():
            one.judged = True
        return True

    def counting(self) -> list[Export]:
        """Of one account one, the detailed before the standard."""
        best: dict[str, Export] = {}
        for one in sorted((stored.export for stored in self.stored.values()), key=lambda one: (one.kind != "detailed", one.name)):
            best.setdefault(one.table.table.partition("v1_")[2], one)
        return list(best.values())

    @property
    def days(self) -> Window:
        return Window(SINCE, self.here.clock.today)

    # what must be true of it

    def check(self) -> None:
        self.sound = False
        self._check()
        self.sound = True

    def _check(self) -> None:
        told = self.customer.told(self.days, "account")
        counted = {
            (account, day): self._once(day, account, sums.get(account, ZERO)) for day, (_, sums) in told.items() for account in ACCOUNTS
        }
        for day, (standing, sums) in told.items():
            assert sums.keys() <= set(ACCOUNTS)
            self.tally[f"days {standing.status}"] += 1
            if standing.status == "complete":
                lacks = list(self._lacks(day, closes(day), [day], counted))
                assert not lacks, f"{day} is told as complete: {'; '.join(lacks)}"
        for month, invoice in self.customer.invoices(self.days).items():
            days = [day for day in told if f"{day:%Y%m}" == month]
            assert invoice.amounts.net_cost == sum(sum(told[day][1].values()) for day in days)
            self.tally[f"invoices {invoice.completeness}"] += 1
            if invoice.completeness == "complete":
                first = date(int(month[:4]), int(month[4:]), 1)
                lacks = list(self._lacks(first, closes(first), days, counted))
                assert not lacks, f"the invoice of {month} is told as complete: {'; '.join(lacks)}"

    def _once(self, day: date, account: str, total: Decimal) -> set[Charge]:
        times = list(times_counted(total, self.truth.of(account, day)))
        twice = [f"{one} counts {number} times" for one, number in times if number > 1]
        assert not twice, "; ".join(twice)
        return {one for one, number in times if number}

    def _lacks(self, first: date, closing: date, days: list[date], counted: dict[tuple[str, date], set[Charge]]) -> Iterator[str]:
        """Why days that stand together, the first of them `first`, are not whole."""
        for account in ACCOUNTS:
            telling = [one for one in self.counting() if account in one.accounts]
            own = [one for one in telling if one.name.endswith(account.replace("-", "_"))]
            left = [one for one in self.gone if account in one.export.accounts]
            if telling:
                now = (own or telling)[0]
            elif left and left[-1].day >= first:
                now = left[-1].export
            else:
                continue
            if never := [one.name for one in telling if one.name not in self.looks]:
                yield f"{never[0]} was never read"
                continue
            # who told of it before may have been asked when it could change no more
            others = [one.export for one in left]
            looks = [self.looks[one.name] for one in (now, *others) if one.name in self.looks]
            late = [look for look in looks if look.day >= closing]
            for day in days if telling else [day for day in days if day <= left[-1].day]:
                if not late and (telling or counted[account, day] or self.truth.of(account, day)):
                    yield f"{now.name} was last looked at on {looks[0].day if looks else None}, and may tell more of {day} until {closing}"
                elif looks:
                    known = self.truth.known(account, day, (late or looks)[0].moment)
                    yield from (f"{one} is not counted" for one in known if one not in counted[account, day])

    def finish(self) -> None:
        """All is read whole, long after: of days of which every source tells all, none is less than complete."""
        self.pass_days(70)
        for name in sorted(self.stored):
            if not self.run(name, SINCE, self.here.clock.today):
                self.run(name, SINCE, self.here.clock.today, reload=True)
        self.check()
        if self.stored and not self.gone and all(one.export.since_ever for one in self.stored.values()):
            told = self.customer.told(Window(SINCE + timedelta(1), closes(SINCE)), "account")
            lacking = [
                f"{day} is told as {standing.status}: {standing.reason}"
                for day, (standing, _) in told.items()
                if standing.status not in WHOLE
            ]
            assert not lacking, "; ".join(lacking)
