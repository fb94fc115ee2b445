"""A run whose rows are visible, and that died, was cancelled or broke off before it could say so."""

import asyncio
from pathlib import Path

import pytest

from src.core.base.faults import StepFailed
from src.core.base.schema import TableSchema
from src.core.base.threads import blocking
from src.core.engine.port import Fence
from src.core.ledger.tables import runs
from src.core.scheduler.cancel import cancel
from src.core.scheduler.recovery import recover
from tests.core.scheduler.parts import Hold, at_work, begun, over, settled, stage, until
from tests.core.scheduler.test_worker import ORG, SPENT, abandon, amounts

MANIFESTS = TableSchema.load(Path("configs/setup/organizations/onboarding/schemas/x_load_manifests.json"))
LEASE = 31


@pytest.fixture
def shop(work):
    work.tenant(dataset=True)
    for schema in (SPENT, MANIFESTS):
        work.warehouse.ensure_table(work.tenants["acme"], schema)
    return work


def publish(work, context, amount, before_commit=lambda: None):
    """As the load engine does it: the rows, the manifest, the last question."""
    at = work.clock.now()
    manifest = {
        "manifest_id": work.ids.new(),
        "pipeline_logging_id": context.run_id,
        "step_id": context.step_id,
        "document": context.document_id,
        "provider": "aws",
        "generation": context.generation,
        "window_start": at.date(),
        "window_end": at.date(),
        "source": "books",
        "source_version": [],
        "schema_fingerprint": "f",
        "rows_read": 1,
        "rows_written": 41,
        "bytes_read": 1,
        "totals": [],
        "tables": {},
        "unread": [],
        "published_at": at,
    }
    with work.warehouse.publication(context.tenant, context.run_id, Fence(context.document_id, context.generation)) as publication:
        publication.append("spent", [{"amount": amount}])
        publication.append("x_load_manifests", [manifest])
        before_commit()
        context.still_wanted()


async def killed_after_publishing(shop, step="load_it"):
    """A run's id: its first attempt has published in this step, and its process was killed before it could settle."""
    place = stage()

    async def act(context):
        if context.step_id == step:
            publish(shop, context, 5)
            await asyncio.Event().wait()

    place.act = act
    place.open.set()
    worker = shop.worker()
    await worker.start()
    run_id = shop.accept(document="slow").run.pipeline_logging_id
    worker.wake()
    await until(lambda: amounts(shop) == [5])
    await abandon(worker)
    shop.clock.at += LEASE
    return place, run_id


async def ended(shop, run_id):
    async with at_work(shop):
        await until(over(shop, run_id))
    return shop.run(run_id)


def cancelled(shop, run_id):
    return cancel(shop, tenant=shop.tenants["acme"], actor=ORG, run_id=run_id)


async def test_a_cancel_after_the_publication_of_a_killed_run_comes_too_late(shop):
    _, run_id = await killed_after_publishing(shop)
    shop.clock.at -= LEASE
    assert cancelled(shop, run_id).status == "RUNNING"
    shop.clock.at += LEASE
    run = await ended(shop, run_id)
    assert (run.status, run.error_code, run.error_message, run.rows_processed) == ("SUCCESS", None, None, 41)
    assert run.result["note"] == "load_it had published before that: cancelled; its worker had stopped already"
    assert (shop.queued(run_id), shop.running()) == (None, 0)


async def test_a_cancel_of_a_run_that_waits_to_be_taken_over_does_not_hide_what_it_published(shop):
    _, run_id = await killed_after_publishing(shop)
    assert recover(shop) == 1
    assert (shop.run(run_id).status, cancelled(shop, run_id).status) == ("QUEUED", "QUEUED")
    assert (await ended(shop, run_id)).status == "SUCCESS"


async def test_a_cancel_while_a_later_attempt_is_at_work_comes_too_late_as_well(shop):
    place, run_id = await killed_after_publishing(shop)
    place.seen.clear()
    going_on = asyncio.Event()

    async def act(context):
        await going_on.wait()

    place.act = act
    async with at_work(shop) as worker:
        await until(begun(place))
        cancelled(shop, run_id)
        worker.nudge(run_id)
        await until(lambda: shop.queued(run_id).cancel_requested_at is None)
        going_on.set()
        await until(over(shop, run_id))
    assert (shop.run(run_id).status, shop.run(run_id).attempt) == ("SUCCESS", 2)


async def test_an_attempt_that_fails_before_the_step_that_had_published_does_not_fail_the_run(shop):
    place, run_id = await killed_after_publishing(shop)

    async def act(context):
        raise StepFailed("Google refuses the key")

    place.act = act
    run = await ended(shop, run_id)
    assert (run.status, run.error_message) == ("SUCCESS", None)
    assert run.result["note"] == "load_it had published before that: Google refuses the key"
    assert run.progress["percent"] == 100


async def test_a_run_that_had_published_is_not_buried(shop):
    shop.settings = shop.settings.model_copy(update={"worker_takeovers": 0})
    _, run_id = await killed_after_publishing(shop)
    run = await ended(shop, run_id)
    assert (run.status, shop.queued(run_id)) == ("SUCCESS", None)
    assert "stopped without a word" in run.result["note"]


async def test_a_later_step_that_fails_fails_the_run_and_says_what_stays(shop):
    async def act(context):
        if context.step_id == "extract_it":
            publish(shop, context, 5)
        else:
            raise StepFailed("no room")

    stage().act = act
    run_id = shop.accept().run.pipeline_logging_id
    run = await ended(shop, run_id)
    assert (run.status, run.error_code, amounts(shop)) == ("FAILED", "step-failed", [5])
    assert run.error_message == "no room; extract_it had published before that, and what it published stays; not done: load_it"


async def test_a_run_whose_last_worker_dies_of_looking_is_buried_unseen(shop):
    shop.settings = shop.settings.model_copy(update={"worker_takeovers": 0})
    run_id = shop.accept(document="slow").run.pipeline_logging_id
    for _ in range(2):
        worker = shop.worker()
        with shop.ledger.writing() as unit:
            queue = unit.tables["org_pipeline_execution_queue"]
            unit.change(queue.update().values(state="RUNNING", lease_owner=worker.owner, lease_expires_at=shop.clock.now()))
            unit.change(unit.tables["org_meta_pipeline_runs"].update().values(status="RUNNING"))
        recover(shop)
    assert (shop.run(run_id).status, shop.queued(run_id).state, shop.running()) == ("FAILED", "DEAD", 0)


async def test_a_cancel_is_not_forgotten_by_a_graceful_stop(shop):
    place, hold = stage(), Hold()

    def work(context):
        publish(shop, context, 1, hold.wait)

    async def act(context):
        if context.step_id == "load_it":
            await blocking(work, context)

    place.act = act
    place.open.set()
    worker = shop.worker()
    await worker.start()
    run_id = shop.accept(document="slow").run.pipeline_logging_id
    worker.wake()
    await until(hold.reached.is_set)
    cancelled(shop, run_id)
    worker.nudge(run_id)
    await settled()
    stopping = asyncio.create_task(worker.stop())
    while shop.run(run_id).status == "RUNNING":
        await shop.clock.let_pass(2)
    assert (shop.run(run_id).status, shop.queued(run_id).cancel_requested_at is None) == ("QUEUED", False)
    hold.released.set()
    while not stopping.done():
        await shop.clock.let_pass(2)
    await settled()

    async def again(context):
        publish(shop, context, 2)

    place.act = again
    run = await ended(shop, run_id)
    assert (run.status, amounts(shop)) == ("CANCELLED", [])
    assert (shop.queued(run_id), shop.running()) == (None, 0)


async def test_a_step_that_hears_of_the_cancel_before_its_worker_ends_cancelled(shop):
    place = stage()

    async def act(context):
        if context.step_id == "load_it":
            cancelled(shop, context.run_id)
            publish(shop, context, 3)

    place.act = act
    place.open.set()
    run_id = shop.accept(document="slow").run.pipeline_logging_id
    run = await ended(shop, run_id)
    assert (run.status, run.attempt, amounts(shop)) == ("CANCELLED", 1, [])


async def test_a_document_that_is_gone_fails_its_runs_and_says_so(work):
    run_id = work.accept().run.pipeline_logging_id
    work.catalog.entries.pop("quick")
    run = await ended(work, run_id)
    assert (run.status, run.error_code, run.error_message) == ("FAILED", "missing", "there is no pipeline 'quick'")
    assert (work.queued(run_id), work.running()) == (None, 0)


async def test_a_lost_run_is_not_begun_beside_what_this_process_has_not_let_go_of(shop):
    place, tidied, inside = stage(), asyncio.Event(), []

    async def act(context):
        if context.step_id == "load_it":
            inside.append(context)
            try:
                await asyncio.sleep(0 if len(inside) > 1 else 20)
            finally:
                # something to tidy up
                await tidied.wait()

    place.act = act
    place.open.set()
    async with at_work(shop) as worker:
        run_id = shop.accept(document="slow").run.pipeline_logging_id
        worker.wake()
        await until(lambda: len(inside) == 1)
        shop.clock.at += LEASE
        for _ in range(5):
            worker.wake()
            await shop.clock.let_pass(1)
        assert (len(inside), worker.running, shop.run(run_id).attempt) == (1, (run_id,), 1)
        tidied.set()
        await until(lambda: not worker.running)
        worker.wake()
        await until(over(shop, run_id))
    assert (shop.run(run_id).status, len(inside)) == ("SUCCESS", 2)


async def test_what_a_killed_attempt_left_in_the_folder_goes_when_its_run_is_settled(shop):
    shop.settings = shop.settings.model_copy(update={"worker_takeovers": 0})
    _, run_id = await killed_after_publishing(shop)
    io = shop.warehouse.io_folder(shop.tenants["acme"])
    left, other = io / f"in-slow@{run_id}.0a0b0c0d", io / "in-slow@another.0a0b0c0d"
    for folder in (left, other):
        folder.mkdir()
        (folder / "day.parquet").write_bytes(b"x")
    await ended(shop, run_id)
    assert not left.exists()
    assert other.exists()


async def test_runs_leave_requests_their_threads(work):
    """More steps that wait than everybody's threads could bear, and a blocking call beside them is answered."""
    hold, place = Hold(), stage()

    async def act(context):
        if context.step_id == "extract_it":
            await blocking(hold.wait)

    place.act = act
    work.settings = work.settings.model_copy(update={"worker_slots": 50})
    for number in range(50):
        work.accept(f"org{number:02}")
    async with at_work(work) as worker:
        await until(begun(place, 50))
        async with asyncio.timeout(30):
            assert await blocking(lambda: "answered") == "answered"
        hold.released.set()
        await until(lambda: not worker.running)
    assert work.ledger.read(runs.get, place.seen[0].run_id).status == "SUCCESS"
