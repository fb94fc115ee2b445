"""What another book of plans makes of a month that is told, day by day."""

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from random import Random

from src.core.step.prices.book import Book
from src.core.step.prices.changes import LayOver
from src.core.step.prices.plan_effects import effects_of_month
from src.core.step.prices.plan_months import plan_rows
from src.core.step.prices.rates import PlanRate
from tests.core.step.prices.test_plan_months import FIRST, SPAN, days_of, random_book

BOOKS = 300
TODAY = date(2028, 3, 1)
Key = tuple[str, str]


def days_by_plan(book: Book[PlanRate], number: int) -> dict[tuple[Key, date], tuple[str, bool, str]]:
    """The rate of each day, whether it has a price, and its currency."""
    return {
        ((one.rate.plan_name, one.rate.billing_period), one.day): (one.rate.rate_id, one.cost is not None, one.rate.currency)
        for one in days_of(book, SPAN[number])
    }


def test_a_change_is_told_by_the_days_it_moves_and_by_what_the_month_comes_to():
    random, seen = Random(16), Counter[str]()
    for _ in range(BOOKS):
        before = random_book(random)
        laid = random_book(random).rates[:1]
        change = before.change(LayOver(laid), FIRST + timedelta(days=1))
        after, number = before.after(change), random.randrange(3)
        old, new = (plan_rows(book.rates, SPAN[number], TODAY) for book in (before, after))

        # what is too much for a column has no price, and the days of the model know no column
        if any(row["completeness_reason"] and "digits" in row["completeness_reason"] for row in (*old, *new)):
            continue

        found = list(effects_of_month("m", old, old, new))

        days = days_by_plan(before, number), days_by_plan(after, number)
        moved = [(at, days[0].get(at), days[1].get(at)) for at in days[0].keys() | days[1].keys() if days[0].get(at) != days[1].get(at)]
        counted = Counter((key, (then or now or ("", False, ""))[2]) for (key, _), now, then in moved)
        told = {((one["plan_name"], one["billing_period"]), one["currency"]): one for one in found}
        assert {at: one["day_count"] for at, one in told.items() if one["day_count"]} == counted
        for (key, currency), one in told.items():
            for rows, side in ((old, "cost_now"), (new, "cost_then")):
                own = [row["cost"] for row in rows if (row["plan_name"], row["billing_period"], row["currency"]) == (*key, currency)]
                assert Fraction(one[side]) == sum(Fraction(cost) for cost in own if cost is not None)
            mine = [(now, then) for (of, _), now, then in moved if of == key and (then or now or ("", False, ""))[2] == currency]
            priced = sum(1 for now, then in mine if then and then[1] and not (now and now[1]))
            unpriced = sum(1 for now, then in mine if then and not then[1] and (now is None or now[1]))
            assert (one["days_priced"], one["days_unpriced"]) == (priced, unpriced)
            seen.update(priced=bool(priced), unpriced=bool(unpriced), moved=bool(mine))
        seen["nothing"] += not found
    assert min(seen[name] for name in ("priced", "unpriced", "moved", "nothing")) > 10, seen
