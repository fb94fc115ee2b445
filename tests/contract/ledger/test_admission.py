"""Requests and triggers at once, through everything between them and the ledger."""

from collections import Counter
from dataclasses import replace
from itertools import count

import pytest

from src.core.base.faults import QuotaExceeded
from src.core.base.ids import SystemIds
from src.core.ledger.plans import Plan
from src.core.ledger.tables import configs, queue, quotas, usage_counts
from tests.contract.ledger.rivals import at_once
from tests.core.scheduler.parts import NOON, day, floor
from tests.core.schedules.parts import RUNS, rows, schedule, triggered

SCHEDULES, ALLOWED = 4, 7


@pytest.fixture
def work(ledger, tmp_path):
    folder = tmp_path / "floor"
    folder.mkdir()
    made = floor(folder)
    made.ledger.close()
    yield replace(made, ledger=ledger, ids=SystemIds())
    made.warehouse.close()


def test_two_hundred_requests_and_triggers_at_once_are_admitted_as_the_plan_allows(work, crowd):
    for number in range(SCHEDULES):
        schedule(work, config_id=f"c{number}", plan=Plan("P", 100, 3000, ALLOWED), parameters={"who": f"of schedule {number}"})
    numbers = count()

    def one():
        number = next(numbers)
        if number % 2:
            return triggered(work).queued_count
        try:
            return int(work.accept(window=day(number)).fresh)
        except QuotaExceeded:
            return 0

    answers = at_once(2 * crowd, one)

    assert sum(answers) == len(rows(work, RUNS)) == len(rows(work, queue.QUEUE)) == ALLOWED
    used = work.ledger.read(quotas.usage, "acme", NOON.date())
    assert (used.running, used.run_today) == (ALLOWED, ALLOWED)
    assert work.ledger.read(usage_counts.open_runs) == {"acme": ALLOWED}
    # each due time is a run or waits to be one, and none is lost
    slots = Counter(row["state"] for row in rows(work) if row["config_id"])
    assert slots["QUEUED"] + slots["WAITING"] == SCHEDULES
    assert [found.next_run_time > NOON for found in work.ledger.read(configs.listing, "acme")] == [True] * SCHEDULES
