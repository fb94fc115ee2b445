from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, insert, select, update

from src.core.ledger.tables import ageing, queue, quotas, runs, scheduled
from src.core.ledger.tables.orgs import timezones
from tests.contract.ledger.samples import AT, TODAY, org, put, row_of, run, step

OLD, BEFORE = AT - timedelta(days=100), AT - timedelta(days=90)
ORDER = ("queue", "runs", "steps", "dq", "scheduled", "audit")
TABLES = {
    "queue": "org_pipeline_execution_queue",
    "runs": "org_meta_pipeline_runs",
    "steps": "org_meta_step_logs",
    "dq": "org_meta_dq_results",
    "scheduled": "org_scheduled_pipeline_runs",
    "audit": "org_audit_logs",
}


def whole_run(ledger, run_id, *, at, over=True):
    """With a step, a judgement and its trigger."""
    entry = run(run_id, status="QUEUED", accepted_at=at, active_key=f"work of {run_id}")
    trigger = scheduled.NewTrigger(
        scheduled_run_id=run_id,
        org_slug="acme",
        pipeline_id=entry.pipeline_id,
        document=entry.document,
        trigger_type="api",
        scheduled_time=at,
        created_at=at,
        queued_at=at,
        max_retries=2,
        pipeline_logging_id=run_id,
    )
    with ledger.writing() as unit:
        assert runs.accept(unit, entry)
        runs.log_step(unit, step(f"{run_id}-step", run_id, started_at=at))
        table = unit.tables[TABLES["dq"]]
        put(unit, table, {**row_of(table, "acme"), "dq_result_id": f"{run_id}-dq", "pipeline_logging_id": run_id, "checked_at": at})
        scheduled.add(unit, trigger)
        if over:
            assert runs.finish(unit, run_id, status="SUCCESS", at=at)


def remove(ledger, kinds=ORDER, limit=100):
    return {kind: ledger.write(ageing.remove, kind, BEFORE, limit) for kind in kinds}


def counts(ledger):
    with ledger.reading() as unit:
        return {kind: unit.first(select(func.count()).select_from(unit.tables[name]))[0] for kind, name in TABLES.items()}


def entry(ledger, run_id, *, at, dead):
    new = queue.NewEntry(
        queue_id=run_id,
        org_slug="acme",
        pipeline_logging_id=run_id,
        pipeline_id=f"acme-{run_id}",
        document="gcp/cost/billing",
        queued_at=at,
        available_at=at,
        max_retries=2,
    )
    with ledger.writing() as unit:
        assert queue.add(unit, new)
        if dead:
            table = unit.tables[TABLES["queue"]]
            unit.change(update(table).where(table.c.queue_id == run_id).values(state="DEAD"))


def test_runs_that_are_over_go_with_all_that_tells_of_them(ledger):
    whole_run(ledger, "old", at=OLD)
    whole_run(ledger, "young", at=BEFORE)
    whole_run(ledger, "open", at=OLD, over=False)

    assert remove(ledger) == {"queue": 0, "runs": 1, "steps": 1, "dq": 1, "scheduled": 1, "audit": 0}
    assert remove(ledger) == dict.fromkeys(ORDER, 0)
    assert counts(ledger) == {"queue": 0, "runs": 2, "steps": 2, "dq": 2, "scheduled": 2, "audit": 0}
    assert ledger.read(runs.get, "old") is None


def test_a_dead_entry_keeps_its_run_until_it_goes_itself(ledger):
    whole_run(ledger, "dead", at=OLD)
    entry(ledger, "dead", at=AT, dead=True)
    assert set(remove(ledger).values()) == {0}

    with ledger.writing() as unit:
        table = unit.tables[TABLES["queue"]]
        unit.change(update(table).values(updated_at=OLD))
    assert remove(ledger) == {"queue": 1, "runs": 1, "steps": 1, "dq": 1, "scheduled": 1, "audit": 0}


def test_an_entry_that_waits_is_never_too_old(ledger):
    whole_run(ledger, "open", at=OLD, over=False)
    entry(ledger, "open", at=OLD, dead=False)

    assert set(remove(ledger).values()) == {0}


def test_a_slot_stays_while_its_schedule_has_not_moved_on(ledger):
    slot = {"org_slug": "acme", "config_id": "c1", "scheduled_time": OLD, "created_at": OLD, "pipeline_logging_id": None}
    with ledger.writing() as unit:
        triggers, schedules = unit.tables[TABLES["scheduled"]], unit.tables["org_pipeline_configs"]
        put(unit, schedules, {**row_of(schedules, "acme"), "config_id": "c1", "next_run_time": OLD})
        put(unit, triggers, {**row_of(triggers, "acme"), **slot, "scheduled_run_id": "due", "state": "FAILED"})
        waits = {"scheduled_run_id": "waits", "config_id": "c2", "state": "WAITING"}
        put(unit, triggers, {**row_of(triggers, "acme"), **slot, **waits})
    assert remove(ledger)["scheduled"] == 0

    with ledger.writing() as unit:
        unit.change(update(schedules).values(next_run_time=AT))
    assert remove(ledger)["scheduled"] == 1
    assert counts(ledger)["scheduled"] == 1


def test_audit_goes_by_its_own_age_and_no_more_at_once_than_is_said(ledger):
    with ledger.writing() as unit:
        table = unit.tables[TABLES["audit"]]
        rows = [{**row_of(table, "acme"), "audit_id": f"a{at}", "occurred_at": OLD if at < 5 else AT} for at in range(7)]
        for row in rows:
            unit.change(insert(table), row)

    assert [ledger.write(ageing.remove, "audit", BEFORE, 3) for _ in range(3)] == [3, 2, 0]
    assert counts(ledger)["audit"] == 2


def test_removed_from_two_places_at_once_each_row_goes_once(ledger):
    for number in range(6):
        whole_run(ledger, f"r{number}", at=OLD)

    def all_of_it():
        gone = 0
        while found := sum(remove(ledger, ("runs", "steps"), 2).values()):
            gone += found
        return gone

    with ThreadPoolExecutor(2) as pool:
        gone = [pool.submit(all_of_it) for _ in range(2)]
    assert sum(one.result() for one in gone) == 12
    assert counts(ledger)["runs"] == counts(ledger)["steps"] == 0


def test_a_day_that_has_ended_begins_anew_once_and_in_its_own_zone(ledger):
    with ledger.writing() as unit:
        for slug, zone in (("acme", "UTC"), ("tokyo", "Asia/Tokyo"), ("other", "UTC")):
            assert org(unit, slug, timezone=zone)
            assert quotas.reserve(unit, slug, day=TODAY, at=AT) is None
    tomorrow, december = TODAY + timedelta(days=1), TODAY.replace(month=12, day=1)

    assert ledger.read(timezones) == ["Asia/Tokyo", "UTC"]
    assert ledger.write(quotas.roll_over, "UTC", day=TODAY, at=AT) == 0
    assert [ledger.write(quotas.roll_over, "UTC", day=tomorrow, at=AT) for _ in range(2)] == [2, 0]
    used = ledger.read(quotas.usage, "acme", tomorrow)
    # a run that goes on past midnight holds its place
    assert (used.run_today, used.run_month, used.running) == (0, 1, 1)
    assert ledger.read(quotas.usage, "tokyo", TODAY).run_today == 1
    assert ledger.write(quotas.roll_over, "Asia/Tokyo", day=december, at=AT) == 1
    assert replace(ledger.read(quotas.usage, "tokyo", december), day=TODAY).run_month == 0
