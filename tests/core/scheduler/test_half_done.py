"""What stays when BigQuery refuses one statement of several, and how asking again completes it. Nothing died meanwhile."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import select

from src.core.base.faults import Throttled
from src.core.ledger.bigquery import jobs as bigquery_jobs
from src.core.ledger.plans import Plan
from src.core.scheduler.claims import next_claim
from src.core.scheduler.lease import Lease
from src.core.scheduler.progress import Board
from src.core.scheduler.settling import Ending
from tests.core.scheduler.parts import day, floor
from tests.fakes.bigquery_proxy import is_job, running_proxy

CROWDED = "Resources exceeded during query execution: Too many DML statements outstanding against table t, limit is 20."
ONE = Plan("ONE", 9, 9, 1)


@pytest.fixture(scope="module")
def standing(bigquery_emulator, kept_dataset, tmp_path_factory):
    with running_proxy(bigquery_emulator.url) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setattr(bigquery_jobs, "PATIENCE_SECONDS", 0.3)
        places = bigquery_emulator.named | {"platform_bigquery_url": proxy.url}
        made = floor(tmp_path_factory.mktemp("half"), ledger_url=kept_dataset.settings.ledger, **places)
        yield made, proxy
        made.close()


@pytest.fixture
def busy(standing, kept_dataset):
    """Has BigQuery take no statement that begins so, until it is told to."""
    work, proxy = standing
    yield work, partial(_refuse, proxy)
    proxy.rules.clear()
    kept_dataset.clean()


def _refuse(proxy, start):
    return proxy.fail_job(lambda sent: is_job(sent) and sent.sql.startswith(start), "resourcesExceeded", CROWDED, times=99)


@pytest.mark.parametrize("given", [{"idempotency_key": "asked-once"}, {}], ids=["by its key", "by its work"])
def test_asking_again_puts_a_run_into_the_queue_that_did_not_come_there(busy, given):
    work, refuse = busy
    slug = f"queueless{len(given)}"
    work.tenant(slug, ONE)
    rule = refuse("INSERT INTO `org_pipeline_execution_queue`")
    with pytest.raises(Throttled):
        work.accept(slug, **given)
    rule.times = 0
    again = work.accept(slug, **given)
    assert (again.fresh, again.run.status, work.running(slug)) == (False, "QUEUED", 1)
    entry = work.queued(again.run.pipeline_logging_id)
    assert (entry.state, entry.window_start, entry.user_id) == ("QUEUED", again.run.window_start, again.run.user_id)
    assert work.accept(slug, **given).run.pipeline_logging_id == again.run.pipeline_logging_id
    claim = next_claim(work, "w1")
    assert claim is not None
    assert (claim.run_id, claim.attempt) == (again.run.pipeline_logging_id, 1)


def test_a_run_that_was_refused_leaves_its_place_to_the_next(busy):
    work, refuse = busy
    work.tenant("placeless", ONE)
    rule = refuse("INSERT INTO `org_meta_pipeline_runs`")
    with pytest.raises(Throttled):
        work.accept("placeless")
    rule.times = 0
    assert work.running("placeless") == 0
    assert work.accept("placeless").fresh


def test_an_ending_that_was_broken_off_is_told_in_full_the_next_time(busy):
    work, refuse = busy
    work.tenant("slotless", ONE)
    run_id = work.accept("slotless", window=day(3)).run.pipeline_logging_id
    claim = next_claim(work, "w1")
    assert claim is not None
    assert claim.run_id == run_id
    ending = Ending(
        run_id=run_id,
        audit_id="once",
        org_slug="slotless",
        pipeline_id="slotless-gcp-cost",
        actor=claim.actor,
        status="SUCCESS",
        at=work.clock.now(),
    )

    async def settle():
        lease = Lease(work, claim, Board([], work.clock), asyncio.sleep)
        rule = refuse("UPDATE `org_usage_quotas`")
        with pytest.raises(Throttled):
            lease.settle(ending)
        rule.times = 0
        lease.settle(ending)
        assert lease.state == "settled"

    asyncio.run(settle())
    with work.ledger.reading() as unit:
        trigger, audit = unit.tables["org_scheduled_pipeline_runs"].c, unit.tables["org_audit_logs"].c
        assert unit.rows(select(trigger.state).where(trigger.pipeline_logging_id == run_id)) == [("COMPLETED",)]
        assert unit.rows(select(audit.audit_id).where(audit.resource == run_id)) == [("once",)]
    assert (work.run(run_id).status, work.queued(run_id)) == ("SUCCESS", None)
