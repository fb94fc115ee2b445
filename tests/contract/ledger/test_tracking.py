from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from src.core.ledger.tables import tracking
from tests.contract.ledger.rivals import at_once
from tests.contract.ledger.samples import AT

FIRST, LAST = date(2026, 10, 30), date(2026, 11, 2)
DAYS = tuple(FIRST + timedelta(days=number) for number in range(4))


def told(day, generation, currency="EUR", net="1.5", **changes: object):
    given = {
        "org_slug": "acme",
        "provider": "gcp",
        "usage_date": day,
        "currency": currency,
        "completeness": "complete",
        "completeness_reason": None,
        "billed_cost": None,
        "credits": Decimal("-0.000000001"),
        "net_cost": Decimal(net),
        "row_count": 3,
        "source_as_of": None,
        "pipeline_logging_id": f"r{generation}",
        "generation": generation,
        "updated_at": AT,
    }
    return tracking.TrackedDay(**{**given, **changes})


def kept(ledger, slug="acme"):
    """Day, currency, generation and net cost of every row."""
    rows = ledger.read(tracking.of_org, slug, first=FIRST, last=LAST)
    return [(row["usage_date"], row["currency"], row["generation"], row["net_cost"]) for row in rows]


def test_what_is_told_of_many_days_is_kept_to_the_last_column(ledger):
    days = [told(day, 7, source_as_of=datetime(2026, 11, 3, 4, 5, 6, 7, UTC), unpriced_rows=2) for day in DAYS]
    ledger.write(tracking.record, [*days, told(FIRST, 7, "USD", completeness_reason="late 'rows'")])
    found = [tracking.TrackedDay(**row) for row in ledger.read(tracking.of_org, "acme", first=FIRST, last=LAST)]
    assert found == [days[0], told(FIRST, 7, "USD", completeness_reason="late 'rows'"), *days[1:]]


def test_the_same_told_again_changes_nothing_and_doubles_nothing(ledger):
    for _ in range(2):
        ledger.write(tracking.record, [told(day, 7) for day in DAYS])
    assert kept(ledger) == [(day, "EUR", 7, Decimal("1.5")) for day in DAYS]


def test_a_newer_publication_replaces_its_days_with_all_their_currencies_and_no_other(ledger):
    before = [told(day, 7, currency) for day in DAYS for currency in ("EUR", "USD")]
    ledger.write(tracking.record, [*before, told(FIRST, 7, provider="aws"), told(FIRST, 7, org_slug="other")])
    ledger.write(tracking.record, [told(DAYS[0], 8, "EUR", "2"), told(DAYS[3], 8, "GBP", "3")])
    untouched = [(day, currency, 7, Decimal("1.5")) for day in DAYS[1:3] for currency in ("EUR", "USD")]
    aws = (FIRST, "EUR", 7, Decimal("1.5"))
    assert kept(ledger) == [aws, (FIRST, "EUR", 8, Decimal(2)), *untouched, (DAYS[3], "GBP", 8, Decimal(3))]
    assert kept(ledger, "other") == [(FIRST, "EUR", 7, Decimal("1.5"))]


def test_an_older_publication_is_heard_only_of_days_that_no_newer_one_has_told_of(ledger):
    ledger.write(tracking.record, [told(DAYS[1], 8, "USD")])
    ledger.write(tracking.record, [told(DAYS[1], 7, "USD", "9"), *(told(day, 7, "EUR") for day in DAYS[:3])])
    assert kept(ledger) == [(DAYS[0], "EUR", 7, Decimal("1.5")), (DAYS[1], "USD", 8, Decimal("1.5")), (DAYS[2], "EUR", 7, Decimal("1.5"))]


def test_of_publications_at_once_each_day_has_the_newest_word_once(ledger):
    numbers = iter(range(1, 5))
    # each tells of days and currencies that others tell of as well, the newest of fewest
    tellings = [[told(day, number, currency) for day in DAYS[:2] for currency in ("EUR", "USD", "GBP")[: 5 - number]] for number in numbers]
    telling = iter(tellings)
    at_once(4, lambda: ledger.write(tracking.record, next(telling)))
    assert kept(ledger) == [(day, "EUR", 4, Decimal("1.5")) for day in DAYS[:2]]


@pytest.mark.parametrize("days", [[], [told(FIRST, 1), told(FIRST, 1)]])
def test_nothing_told_and_one_thing_told_twice_are_no_mistakes(ledger, days):
    ledger.write(tracking.record, days)
    assert len(kept(ledger)) == len(set(days))
