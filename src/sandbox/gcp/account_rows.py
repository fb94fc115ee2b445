"""The rows of one billing account, by the day on which Google wrote them.

A load day is a pure function of seed, account and date. It grows in parts, each there from a certain day on: rows are
added, never changed or taken back.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from itertools import islice
from random import Random

from src.core.base.settings import SANDBOX_ROWS_PER_HOUR
from src.sandbox.gcp import month_end
from src.sandbox.gcp.accounts import BillingAccount
from src.sandbox.gcp.catalogue import COMPOSER, MARKETPLACE, SUPPORT
from src.sandbox.gcp.resources import Asset, fleet
from src.sandbox.gcp.rows import DAY, EPOCH, HOUR, Adjustment, Credit, Row, RowInvoice, seconds

SEED = "convergence-1"
FIRST_DAY = date(2025, 1, 1)
# Four loads a day, of six hours of usage each. The last is written seconds before midnight.
LOADS = ((3 * HOUR + 729, -6 * HOUR), (9 * HOUR + 871, 0), (15 * HOUR + 662, 6 * HOUR), (DAY - 3, 12 * HOUR))
LOAD_HOURS = 6
REWRITTEN_DAY, REWRITTEN_AFTER = 7, timedelta(days=5)
PART_COMES_AFTER = (timedelta(days=1), timedelta(days=2), REWRITTEN_AFTER)
LATE = ((2, 4), (3, 2), (6, 2))  # days late, rows
LIST_PRICES_SINCE = date(2025, 3, 1)  # before that cost_at_list is empty
INVOICE_DAY_STARTS = 8 * HOUR  # invoices cut their days in US Pacific; the sandbox knows no daylight saving
INVOICE_CLOSES = 4  # usage that comes in on this day of the next month, or later, goes on that month's invoice
CORRECTION_DAY, CORRECTED_BEFORE = 15, timedelta(days=70)


def parts_there(day: date, as_of: date) -> int:
    """How many parts of a load day can be read on `as_of`: none before the day is over, the last load one day later."""
    if day < FIRST_DAY or day >= as_of:
        return 0
    if as_of == day + timedelta(days=1):
        return 1
    return 3 if day.day == REWRITTEN_DAY and as_of >= day + REWRITTEN_AFTER else 2


def conversion_rate(currency: str, month: str) -> float:
    if currency == "USD":
        return 1.0
    return round(0.85 + Random(f"{SEED}|rate|{currency}|{month}").random() * 0.1, 6)  # noqa: S311 - reproducible on purpose


def invoice_month(start: int, exported: int) -> str:
    used = EPOCH + timedelta(days=(start - INVOICE_DAY_STARTS) // DAY)
    written = EPOCH + timedelta(days=exported // DAY)
    late = (written.year, written.month) > (used.year, used.month) and written.day >= INVOICE_CLOSES
    return f"{written if late else used:%Y%m}"


class AccountRows:
    def __init__(self, account: BillingAccount, rows_per_hour: int = SANDBOX_ROWS_PER_HOUR) -> None:
        self.account = account
        self.rows_per_hour = rows_per_hour
        self._fleet = fleet(account, rows_per_hour, SEED)
        self._rate = lru_cache(maxsize=64)(conversion_rate)
        # one object for each invoice: Arrow columns build a value once for each object they meet
        self._invoice = lru_cache(maxsize=256)(RowInvoice)

    def rows(self, day: date, parts: int) -> Iterator[Row]:
        for number in range(parts):
            yield from self.part(day, number)

    def part(self, day: date, number: int) -> Iterator[Row]:
        return (self._in_the_day, self._before_midnight, self._rewritten)[number](day)

    def _in_the_day(self, day: date) -> Iterator[Row]:
        yield from self._load(day, 0)
        second = list(self._load(day, 1))
        # the same thing billed twice over, hour for hour: nothing tells these two rows apart, and both are right
        yield from (second[0], *second)
        yield from self._load(day, 2)
        yield from self._specials(day)
        yield from self._late(day)
        yield from month_end.charges(self.account, day, seconds(day) + LOADS[1][0], self._chance(day, "month end"), self._rate)
        if day.day == CORRECTION_DAY:
            yield from self._corrections(day)

    def _before_midnight(self, day: date) -> Iterator[Row]:
        return self._load(day, 3)

    def _rewritten(self, day: date) -> Iterator[Row]:
        chance, exported = self._chance(day, "rewritten"), seconds(day) + DAY - 2
        for position in range(self.rows_per_hour):
            start = seconds(day) + (12 + position % LOAD_HOURS) * HOUR
            yield self._use(self._fleet[(position * 7) % len(self._fleet)], start, exported, chance)

    def _load(self, day: date, number: int) -> Iterator[Row]:
        chance = self._chance(day, f"load {number}")
        after, first = LOADS[number]
        exported = seconds(day) + after
        for hour in range(LOAD_HOURS):
            start = seconds(day) + first + hour * HOUR
            # a day's first load is of the evening before
            if start < seconds(FIRST_DAY):
                continue
            # goes on where the hour before ended, so that the whole fleet has its turn
            turn = start // HOUR * self.rows_per_hour
            for position in range(turn, turn + self.rows_per_hour):
                yield self._use(self._fleet[position % len(self._fleet)], start, exported, chance)

    def _late(self, day: date) -> Iterator[Row]:
        chance, exported = self._chance(day, "late"), seconds(day) + LOADS[2][0]
        for days, rows in LATE:
            start = seconds(day - timedelta(days=days)) + 21 * HOUR
            if start >= seconds(FIRST_DAY):
                for position in range(rows):
                    asset = self._fleet[(days * 5 + position * 3) % len(self._fleet)]
                    yield self._use(asset, start + position * HOUR // 2, exported, chance)

    def _specials(self, day: date) -> Iterator[Row]:
        """What is billed by the day: a partner's product, support of no project, and a span over midnight."""
        if day == FIRST_DAY:
            return
        chance, exported, before = self._chance(day, "daily"), seconds(day) + LOADS[1][0], seconds(day) - DAY
        hosts = 40 + int(chance.random() * 20)
        yield self._bare(before, before + DAY, exported, round(hosts * 0.5040003, 6))._replace(
            sku=MARKETPLACE,
            amount=float(hosts),
            project=self._fleet[0].project,
            invoice=self._invoice(invoice_month(before, exported), "PARTNER"),
            transaction="THIRD_PARTY_RESELLER",
            seller="Example Observability Inc.",
        )
        yield self._bare(before, before + DAY, exported, round(29 + chance.random(), 2))
        late_evening = before + 20 * HOUR
        yield self._bare(late_evening, late_evening + 8 * HOUR, exported, round(2.8 + chance.random(), 6))._replace(
            sku=COMPOSER, amount=8.0 * HOUR, project=self._fleet[1].project, labels=self._fleet[1].labels
        )

    def _corrections(self, day: date) -> Iterator[Row]:
        """Takes back what was charged long ago and charges it anew; and a price that was wrong, as one adjustment."""
        then = day - CORRECTED_BEFORE
        if then < FIRST_DAY:
            return
        exported = seconds(day) + LOADS[1][0]
        invoice = self._invoice(f"{day:%Y%m}", "GOOGLE")
        for number, was in enumerate(islice(self._load(then, 1), 6)):
            told = Adjustment(
                f"correction-{day:%Y%m}-{number}", "Usage was counted twice", "COMPLETE_NEGATION_WITH_REMONETIZATION", "USAGE_CORRECTION"
            )
            now = was._replace(exported=exported, invoice=invoice, adjustment=told)
            yield now._replace(
                cost=-was.cost,
                cost_at_list=None if was.cost_at_list is None else -was.cost_at_list,
                amount=-was.amount,
                credits=tuple(Credit(credit.kind, -credit.amount) for credit in was.credits),
            )
            yield now._replace(
                cost=round(was.cost * 0.5, 9),
                amount=was.amount / 2,
                credits=tuple(Credit(c.kind, round(c.amount * 0.5, 9)) for c in was.credits),
            )
            if number == 0:
                cheaper = Adjustment(f"price-{day:%Y%m}", "Contract price applied late", "PARTIAL_CORRECTION", "PRICE_CORRECTION")
                yield now._replace(cost_type="adjustment", cost=-4.567891234, cost_at_list=None, credits=(), amount=0.0, adjustment=cheaper)

    def _use(self, asset: Asset, start: int, exported: int, chance: Random) -> Row:
        offer = asset.offer
        month = invoice_month(start, exported)
        rate = self._rate(self.account.currency, month)
        hourly = offer.hourly * (0.6 + 0.8 * chance.random())
        cost = offer.counted(asset.price * rate * hourly)
        listed = start >= LIST_PRICES_SINCE_SECONDS
        return Row(
            self.account.id,
            self._invoice(month, "GOOGLE"),
            offer.sku,
            start,
            start + HOUR,
            exported,
            cost,
            round(cost * 1.25, 9) if listed else None,
            self.account.currency,
            rate,
            round(hourly * offer.sku.units_per_pricing_unit, 3),
            project=asset.project,
            labels=asset.labels,
            system_labels=asset.system_labels,
            tags=asset.tags,
            place=asset.place,
            # a share of nothing would be -0.0
            credits=tuple([Credit(kind, round(-share * cost, 9) or 0.0) for kind, share in offer.credits]),
            subscription=offer.subscription,
            model=offer.model,
            resources=asset.resources,
        )

    def _bare(self, start: int, end: int, exported: int, cost: float) -> Row:
        month = invoice_month(start, exported)
        return Row(
            self.account.id,
            self._invoice(month, "GOOGLE"),
            SUPPORT,
            start,
            end,
            exported,
            cost,
            None,
            self.account.currency,
            self._rate(self.account.currency, month),
            1.0,
        )

    def _chance(self, day: date, what: str) -> Random:
        # seeded by what is made and not drawn in turn: a day is the same whatever was asked before
        return Random(f"{SEED}|{self.account.id}|{day}|{what}")  # noqa: S311 - reproducible on purpose


LIST_PRICES_SINCE_SECONDS = seconds(LIST_PRICES_SINCE)
