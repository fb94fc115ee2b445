"""What plans come to in a month, against a model that asks of every day which rate its first instant has."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from random import Random
from typing import Any

from src.core.base.window import Window
from src.core.step.prices.book import Book
from src.core.step.prices.changes import LayOver
from src.core.step.prices.plan_months import months_of, plan_rows
from src.core.step.prices.rates import PlanRate

FIRST = datetime(2027, 12, 1, tzinfo=UTC)
SPAN = (
    Window(date(2027, 12, 1), date(2027, 12, 31)),
    Window(date(2028, 1, 1), date(2028, 1, 31)),
    Window(date(2028, 2, 1), date(2028, 2, 29)),
)
BOOKS = 700
WIDE = Context(prec=200, rounding=ROUND_HALF_EVEN)
PRICES = ("0", "20", "25", "240", "100", "0.1", "33.333333333333333333", "99999999999999999999.999999999999999999", None)
SEATS = (None, 0, 1, 2, 3, 7, 40, 151, 2**63 - 1)


def plan(price: str | None, seats: int | None, **more: Any) -> PlanRate:
    given = {"plan_name": "Business", "provider": "openai", **more}
    return PlanRate(price=None if price is None else Decimal(price), seats=seats, **given)


def random_moment(random: Random) -> datetime | None:
    if random.random() < 0.15:
        return None
    return FIRST + timedelta(days=random.randrange(-20, 110), seconds=random.choice((0, 0, 0, 1, 43_200, 86_399)))


def random_book(random: Random) -> Book[PlanRate]:
    book: Book[PlanRate] = Book()
    for number in range(random.randrange(1, 7)):
        start, stop = random_moment(random), random_moment(random)
        if start and stop and stop <= start:
            start, stop = stop, start
        rate = plan(
            random.choice(PRICES), random.choice(SEATS), effective_from=start, effective_to=stop if stop != start else None,
            plan_name=random.choice(("Business", "Plus")), billing_period=random.choice(("month", "year")),
            currency=random.choice(("USD", "USD", "EUR")), min_seats=random.choice((None, 2, 5)), max_seats=random.choice((None, 150)),
        )  # fmt: skip
        change = book.change(LayOver([rate]), FIRST + timedelta(seconds=number))
        assert not change.flaws
        book = book.after(change)
    return book


@dataclass
class Day:
    """What one day of one rate comes to, exactly."""

    rate: PlanRate
    day: date
    cost: Fraction | None


def days_of(book: Book[PlanRate], month: Window) -> Iterator[Day]:
    for rate in book.rates:
        share, cost = Fraction(1, len(month) * (12 if rate.billing_period == "year" else 1)), None
        if rate.price is not None and rate.seats is not None:
            cost = Fraction(rate.price) * rate.seats * share
        for day in month:
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            if (rate.effective_from is None or rate.effective_from <= midnight) and (
                rate.effective_to is None or midnight < rate.effective_to
            ):
                yield Day(rate, day, cost)


def rounded(exact: Fraction) -> Decimal:
    return WIDE.quantize(WIDE.divide(Decimal(exact.numerator), Decimal(exact.denominator)), Decimal("1e-18"))


def test_every_month_of_any_book_is_its_days_added_up():
    random = Random(15)
    seen: Counter[str] = Counter()
    for _ in range(BOOKS):
        book, today = random_book(random), date(2028, 2, random.randrange(1, 29))
        for month in SPAN:
            rows, model = plan_rows(book.rates, month, today), list(days_of(book, month))
            seen["rows"] += len(rows)
            # each day of each rate stands in one row, and no other day
            told = [(row["rate_id"], row["usage_date"] + timedelta(n)) for row in rows for n in range(row["days"])]
            assert sorted(told) == sorted((one.rate.rate_id, one.day) for one in model)
            assert all(row["last_date"] == row["usage_date"] + timedelta(row["days"] - 1) for row in rows)
            for key in {(one.rate.plan_name, one.rate.billing_period, one.rate.currency) for one in model}:
                seen.update(checked(key, rows, model, over=month.end < today))
    assert min(seen[name] for name in ("unpriced", "provisional", "complete", "in parts", "too much", "few", "many")) > 60


def checked(key: tuple[str, str, str], rows: list[dict[str, Any]], model: list[Day], *, over: bool) -> Iterator[str]:
    own = [row for row in rows if (row["plan_name"], row["billing_period"], row["currency"]) == key]
    exact = {row["rate_id"]: [one.cost for one in model if one.rate.rate_id == row["rate_id"]] for row in own}
    priced = [row for row in own if row["cost"] is not None]
    for row in own:
        costs = [cost for cost in exact[row["rate_id"]] if cost is not None]
        too_much = bool(costs) and sum(costs) >= 10**20
        assert (row["cost"] is None) == (not costs or too_much) == (row["completeness"] == "unpriced")
        assert (row["completeness_reason"] is None) == (row["completeness"] == "complete")
        if row["cost"] is not None:
            assert abs(Fraction(row["cost"]) - sum(costs)) < Fraction(1, 10**18)
            assert (row["completeness"] == "complete") == over
        odd = row["seats"] is not None and row["warning"]
        yield from (row["completeness"], *(["too much"] if too_much else []))
        yield "few" if odd and "fewer" in odd else "many" if odd else "plain"
    if len(priced) == len([row for row in own if row["price"] is not None and row["seats"] is not None]):
        total = sum((cost for row in priced for cost in exact[row["rate_id"]] if cost is not None), Fraction(0))
        assert sum(Fraction(row["cost"]) for row in priced) == Fraction(rounded(total))
        if len(priced) > 1:
            yield "in parts"


def test_a_change_within_the_month_gives_two_rows_that_add_up_to_it():
    """25 a month of November's 30 days, and 240 a year."""
    cut = datetime(2026, 11, 12, tzinfo=UTC)
    monthly = [plan("25", 7, effective_to=cut), plan("25", 7, effective_from=cut, note="the same again")]
    yearly = [plan("250", 3, billing_period="year")]
    (november,) = months_of(Window(date(2026, 11, 30), date(2026, 11, 30)))

    first, second, whole = plan_rows([*monthly, *yearly], november, date(2026, 12, 1))

    assert [(row["usage_date"].day, row["last_date"].day, row["days"], str(row["cost"])) for row in (first, second)] == [
        (1, 11, 11, "64.166666666666666667"),
        (12, 30, 19, "110.833333333333333333"),
    ]
    assert first["cost"] + second["cost"] == 175
    assert (whole["days"], whole["cost"], whole["completeness"]) == (30, Decimal("62.5"), "complete")


def test_what_is_not_known_is_said_and_is_not_nothing():
    rates = [plan("25", None, plan_name="a"), plan(None, 4, plan_name="b", unit="user"), plan("25", 1, plan_name="c", min_seats=2)]

    unseated, unpriced, few = plan_rows(rates, SPAN[0], date(2027, 12, 31))

    assert [row["cost"] for row in (unseated, unpriced)] == [None, None]
    assert (unseated["completeness_reason"], unpriced["completeness_reason"]) == (
        "nobody has said how many seats there are",
        "its price is agreed with each customer, and nobody has said it",
    )
    assert (few["cost"], few["completeness"]) == (25, "provisional")
    assert few["completeness_reason"] == "the month goes on until 2027-12-31; this is what it comes to if nothing changes"
    assert few["warning"] == "1 are fewer than the 2 that are sold at least; the bill may be for those"


def test_months_are_whole_and_each_stands_once():
    assert [str(month) for month in months_of(Window(date(2027, 11, 30), date(2028, 2, 1)))] == [
        "2027-11-01..2027-11-30",
        "2027-12-01..2027-12-31",
        "2028-01-01..2028-01-31",
        "2028-02-01..2028-02-29",
    ]
