"""Having the queue processed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.acceptance.observed import problem
from tests.app.running_parts import House

PROCESS = "/api/v1/scheduler/process-queue"


async def process(house: House):
    async with house.client() as caller:
        return await caller.post(PROCESS)


async def test_it_counts_the_queue_and_has_the_worker_of_this_process_take_it_up(tmp_path: Path):
    house = House.build(tmp_path, worker_enabled=True)
    house.organisation("acme_corp")
    first = await house.accepted("acme_corp", start_date="2026-01-01", end_date="2026-01-31")
    await house.accepted("acme_corp", start_date="2026-02-01", end_date="2026-02-28")
    house.begin(first)

    told = (await process(house)).json()

    assert (told["worker"], told["queued"], told["running"], told["dead"]) == ("here", 1, 1, 0)
    assert told["oldest_queued_at"] is not None
    assert house.woken.processed == 1
    house.parts.close()


async def test_without_a_worker_here_it_says_what_others_have_to_do(house):
    told = (await process(house)).json()

    empty: dict[str, Any] = {"queued": 0, "running": 0, "dead": 0, "oldest_queued_at": None, "running_here": []}
    assert told == {"worker": "elsewhere", **empty, "notifications": "by itself"}
    assert house.woken.processed == 0


async def test_a_queue_that_nobody_looks_at_and_no_worker_to_tell_is_refused(house, monkeypatch):
    engine = house.parts.ledger._engine
    monkeypatch.setattr(type(engine), "traits", replace(engine.traits, polled=False))

    assert "WORKER_ENABLED" in problem(await process(house), 409, "conflict")["detail"]
