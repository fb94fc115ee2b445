"""Days of costs on BigQuery: a few jobs, however many days there are, and still no row twice."""

import threading
from datetime import date, timedelta

import pytest
from sqlalchemy import delete

from src.core.ledger.tables import tracking
from tests.contract.ledger.rivals import at_once
from tests.contract.ledger.test_tracking import told
from tests.core.ledger.test_bigquery import opened, written

FIRST = date(2026, 11, 1)


@pytest.fixture
def ledger(dataset, proxy):
    with opened(dataset, proxy) as ledger:
        yield ledger


def days(count, generation, first=FIRST):
    return [told(first + timedelta(days=number), generation) for number in range(count)]


def kept(ledger):
    return [row["usage_date"] for row in ledger.read(tracking.of_org, "acme", first=date(2026, 1, 1), last=date(2026, 12, 31))]


def is_read(sent):
    return sent.method == "POST" and "SELECT" in str(sent.body.get("query"))


def posted(proxy):
    """Jobs, and queries that are jobs to BigQuery."""
    return [sent for sent in proxy.sent if sent.method == "POST"]


@pytest.mark.parametrize(
    ("before", "told_of", "jobs"),
    [
        ([], days(1, 7), 3),
        ([], days(10, 7), 3),
        (days(10, 7), days(10, 7), 3),
        (days(10, 7), days(10, 8), 3),
        # what lacks is inserted by months; the second attempt of November's chain finds the first by its id
        (days(9, 7), days(10, 8), 5),
        ([], days(62, 7, date(2026, 9, 15)), 5),
    ],
)
def test_the_jobs_do_not_grow_with_the_days(ledger, proxy, before, told_of, jobs):
    ledger.write(tracking.record, before)
    sent = len(posted(proxy))
    ledger.write(tracking.record, told_of)
    assert len(posted(proxy)) - sent == jobs
    assert kept(ledger) == [day.usage_date for day in told_of]


def test_of_two_processes_that_insert_the_same_days_one_waits_for_the_other(dataset, proxy, ledger):
    with opened(dataset, proxy) as other:
        places = iter([(ledger, days(3, 7)), (other, days(4, 8))])

        def tell():
            place, told_of = next(places)
            place.write(tracking.record, told_of)

        looks = [proxy.hold(is_read) for _ in range(2)]
        rivals = threading.Thread(target=at_once, args=(2, tell))
        rivals.start()
        # neither sees what the other is about to insert
        for look in looks:
            assert look.held.wait(60)
        for look in looks:
            look.release.set()
        rivals.join(60)
    assert kept(ledger) == [FIRST + timedelta(days=number) for number in range(4)]
    # the emulator cannot show two inserts that do not see each other; that both began at one id is what keeps them apart
    first, *rest = [sent.body["jobReference"]["jobId"] for sent in written(proxy, "INSERT")]
    assert first.endswith("_0")
    assert first in rest


def test_a_day_that_is_gone_since_it_was_seen_is_told_again(ledger, proxy):
    ledger.write(tracking.record, days(2, 7))
    held = proxy.hold(is_read)
    telling = threading.Thread(target=ledger.write, args=(tracking.record, days(2, 9)))
    telling.start()
    assert held.held.wait(60)
    with ledger.writing() as unit:
        # as one that tells of it in another currency
        table = unit.tables["org_cost_tracking"]
        unit.change(delete(table).where(table.c.usage_date == FIRST))
    held.release.set()
    telling.join(60)
    assert kept(ledger) == [day.usage_date for day in days(2, 9)]


def test_an_older_publication_is_not_heard_even_for_a_moment(ledger, proxy):
    ledger.write(tracking.record, days(1, 9))
    before = len(written(proxy, ("INSERT", "UPDATE")))
    ledger.write(tracking.record, [told(FIRST, 8, "USD")])
    assert len(written(proxy, ("INSERT", "UPDATE"))) == before


def test_an_insert_of_days_that_failed_for_a_crowd_takes_the_next_attempt(ledger, proxy):
    proxy.fail_job(lambda sent: sent.sql.startswith("INSERT"), "rateLimitExceeded", "Exceeded rate limits")
    ledger.write(tracking.record, days(2, 7))
    assert len(kept(ledger)) == 2
    assert [sent.body["jobReference"]["jobId"][-2:] for sent in written(proxy, "INSERT")] == ["_0", "_1"]


def test_only_the_partitions_and_clusters_of_the_days_are_read(ledger, proxy):
    ledger.write(tracking.record, days(3, 7))
    ledger.write(tracking.record, days(3, 8))
    for sent in written(proxy, ("INSERT", "UPDATE")):
        given = {one["name"]: one["parameterValue"].get("value") for one in sent.configuration["query"]["queryParameters"]}
        bounds = {name: value for name, value in given.items() if name != "p_rows"}
        assert bounds == {
            "p_least_org_slug": "acme",
            "p_most_org_slug": "acme",
            "p_least_provider": "gcp",
            "p_most_provider": "gcp",
            "p_least_usage_date": "2026-11-01",
            "p_most_usage_date": "2026-11-03",
            "p_least_currency": "EUR",
            "p_most_currency": "EUR",
        }
