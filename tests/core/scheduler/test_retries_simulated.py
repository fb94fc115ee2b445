"""Schedules of many organisations over providers that come and go and workers that are killed: every slot ends, counted once."""

import random
from collections import Counter

import pytest

from src.core.base.faults import Rejected, Throttled, Unavailable
from src.core.ledger.plans import Plan
from src.core.ledger.tables import quotas
from src.core.scheduler import accounting
from tests.core.scheduler.parts import NOON, at_work, settled, stage
from tests.core.scheduler.test_worker import abandon
from tests.core.schedules.parts import RUNS, rows, schedule, triggered

ORGS = 12
ROUNDS = 60
ROOMY = Plan("ROOMY", 5, 50, 5)


def weather(seed):
    """What each attempt meets."""
    chance = random.Random(seed)
    met: Counter[str] = Counter()

    async def act(context):
        if context.step_id != "extract_it":
            return
        met[context.run_id] += 1
        fate = chance.random()
        if fate < 0.35:
            raise Unavailable("the provider is away")
        if fate < 0.5:
            raise Throttled("slow down", retry_after=90)
        if fate < 0.58:
            raise Rejected("the export is not there")
        return

    stage().act = act
    return chance, met


@pytest.mark.parametrize("seed", range(4))
async def test_every_slot_ends_once_and_is_counted_once(work, seed):
    chance, met = weather(seed)
    allowed = {f"org{number}": chance.randint(0, 4) for number in range(ORGS)}
    for slug, retries in allowed.items():
        schedule(work, slug, f"c-{slug}", plan=ROOMY, max_retries=retries)
    assert triggered(work).queued_count == ORGS

    for _ in range(ROUNDS):
        if all(row["ended_at"] for row in rows(work, RUNS)):
            break
        worker = work.worker()
        await worker.start()
        await work.clock.let_pass(chance.choice([1, 5, 70]))
        if chance.random() < 0.3:
            await abandon(worker)
            work.clock.at += 31
        else:
            await worker.stop()
        work.clock.at += chance.choice([0, 60, 1200])
    async with at_work(work):
        while not all(row["ended_at"] for row in rows(work, RUNS)):
            await work.clock.let_pass(600)
        await settled()

    runs = {row["pipeline_logging_id"]: row for row in rows(work, RUNS)}
    assert len(runs) == ORGS
    for slot in rows(work):
        run = runs[slot["pipeline_logging_id"]]
        assert slot["retry_count"] <= slot["max_retries"] == allowed[slot["org_slug"]]
        assert slot["state"] == {"SUCCESS": "COMPLETED", "FAILED": "FAILED"}[run["status"]]
        assert (run["user_id"], run["active_key"]) == (None, None)
        if run["status"] == "FAILED" and run["error_code"] in ("unavailable", "throttled"):
            assert slot["retry_count"] == slot["max_retries"]
        # an attempt that met nothing was killed before it began
        assert slot["retry_count"] < met[run["pipeline_logging_id"]] + 1 <= run["attempt"] + 1
    for slug in allowed:
        used = work.ledger.read(quotas.usage, slug, NOON.date())
        assert used.running == 0
        assert used.run_today == 1 or used.day > NOON.date()
    assert accounting.check(work).disagreeing == ()
    assert all(work.queued(run_id) is None or work.queued(run_id).state == "DEAD" for run_id in runs)
