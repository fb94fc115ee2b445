"""Putting a dead run back into the queue."""

from src.core.ledger.tables import queue
from src.core.ledger.tables.queue import Hold
from tests.acceptance.observed import problem
from tests.app.running_parts import House

REQUEUE = "/api/v1/scheduler/requeue"


async def dead(house: House) -> str:
    run_id = await house.accepted("acme_corp", start_date="2026-01-01", end_date="2026-01-31")
    house.begin(run_id)
    entry = house.parts.ledger.read(queue.get, run_id)
    assert entry is not None
    house.end(run_id, "acme_corp", "FAILED", error_code="lease-lost", error_message="its workers died")
    hold = Hold(entry.queue_id, "tests", entry.lease_generation)
    assert house.parts.ledger.write(queue.bury, hold, house.parts.clock.now(), "its workers died")
    return run_id


async def requeued(house: House, named: str):
    async with house.client() as caller:
        return await caller.post(f"{REQUEUE}/{named}")


async def test_a_dead_run_waits_again_and_workers_are_told(house: House):
    run_id = await dead(house)
    woken = house.woken.times
    [entry] = (await house.found("/api/v1/scheduler/status"))["dead"]
    assert (entry["pipeline_logging_id"], entry["org_slug"], entry["reason"]) == (run_id, "acme_corp", "its workers died")

    answer = await requeued(house, run_id)

    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["ended_at"], answer.json()["error"]["message"]) == ("QUEUED", None, "its workers died")
    assert house.woken.times == woken + 1
    assert "QUEUED" in problem(await requeued(house, run_id), 409, "conflict")["detail"]


async def test_what_is_not_in_the_queue_is_not_put_back(house: House):
    assert "no entry" in problem(await requeued(house, "f" * 32), 404, "missing")["detail"]
