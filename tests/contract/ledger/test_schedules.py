"""Schedules, their slots and the trigger, on every ledger."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from src.core.base.clock import SystemClock
from src.core.base.faults import Throttled
from src.core.base.ids import SystemIds
from src.core.crypto.vault import Vault
from src.core.engine.port import Warehouse
from src.core.ledger.tables import configs, orgs, queue, runs, slots
from src.core.ledger.tables.configs import Schedule
from src.core.ledger.tables.slots import Slot
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.registry import Registry
from src.core.schedules.trigger import Triggered, trigger
from tests.contract.ledger.rivals import at_once
from tests.contract.ledger.samples import AT, SCALE, org

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
DOCUMENT = """
pipeline: fake-cost
provider: fake
domain: cost
inputs: {who: {type: string, required: false}}
steps: [{id: extract_rows, ps_type: sample.scripted}]
"""


class NowClock(SystemClock):
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self):
        return self.at


@dataclass
class Trigger:
    """What the trigger needs of the service."""

    ledger: Any
    settings: Any
    catalog: Catalog
    clock: NowClock
    ids: SystemIds

    @property
    def vault(self) -> Vault:
        raise AssertionError("the trigger opened a vault")

    @property
    def warehouse(self) -> Warehouse:
        raise AssertionError("the trigger opened a warehouse")

    def __call__(self) -> Triggered:
        return trigger(self, self.catalog)


@pytest.fixture
def triggers(ledger, settings, tmp_path):
    folder = tmp_path / "pipelines" / "fake"
    folder.mkdir(parents=True)
    (folder / "cost.yml").write_text(DOCUMENT)
    return Trigger(ledger, settings, Catalog.load(folder.parent, Registry("tests.fakes.processors")), NowClock(AT), SystemIds())


def schedule(config_id, slug="acme", **changes: object):
    given = {
        "config_id": config_id,
        "org_slug": slug,
        "pipeline_id": f"{slug}-fake-cost",
        "document": "fake/cost",
        "provider": "fake",
        "domain": "cost",
        "schedule_cron": "30 12 * * *",
        "timezone": "UTC",
        "is_active": True,
        "next_run_time": AT,
        "parameters": {"who": config_id},
        "created_at": AT,
        "updated_at": AT,
    }
    return Schedule(**{**given, **changes})


def slot(config_id, due=AT, slug="acme", **changes: object):
    given = {
        "scheduled_run_id": slots.slot_id(config_id, due),
        "org_slug": slug,
        "config_id": config_id,
        "pipeline_id": f"{slug}-fake-cost",
        "document": "fake/cost",
        "scheduled_time": due,
        "created_at": AT,
        "available_at": AT,
        "max_retries": 2,
        "window_start": date(2026, 11, 19),
        "window_end": date(2026, 11, 19),
        "parameters": {"who": config_id},
    }
    return Slot(**{**given, **changes})


def test_a_schedule_is_kept_as_it_is_and_changed_by_who_has_seen_it(ledger, acme):
    made = schedule("c1", acme, catch_up=True, priority=7)
    assert ledger.write(configs.add, made)
    assert not ledger.write(configs.add, made)
    assert ledger.read(configs.get, acme, "c1") == made

    changed = replace(made, is_active=False, next_run_time=None, updated_at=AT + MINUTE)
    assert ledger.write(configs.change, made, changed)
    assert not ledger.write(configs.change, made, replace(made, priority=1))
    assert ledger.read(configs.listing, acme) == [changed]
    assert ledger.read(configs.number, acme) == 1
    assert ledger.write(configs.remove, acme, "c1")
    assert not ledger.write(configs.remove, acme, "c1")


def test_what_is_due_is_told_one_of_each_organisation_first(ledger, acme):
    with ledger.writing() as unit:
        org(unit, "other", plan=SCALE)
        for made in (
            schedule("a1"),
            schedule("a2", next_run_time=AT - DAY),
            schedule("a3", priority=9),
            schedule("later", next_run_time=AT + MINUTE),
            schedule("paused", is_active=False),
            schedule("o1", "other"),
            schedule("nobody's", "gone"),
        ):
            configs.add(unit, made)

    found = ledger.read(configs.due, AT, 10)

    assert [one.config_id for one in found] == ["a3", "o1", "a2", "a1"]
    assert [one.config_id for one in ledger.read(configs.due, AT, 2)] == ["a3", "o1"]
    assert ledger.read(configs.overdue, AT) == (4, AT - DAY)
    assert [one.config_id for one in ledger.read(configs.coming, 1)] == ["a2"]
    ledger.write(orgs.begin_offboarding, "other", AT)
    assert ledger.read(configs.overdue, AT) == (3, AT - DAY)
    assert ledger.write(configs.move, found[0], AT, AT + DAY)
    assert not ledger.write(configs.move, found[0], AT, AT + DAY)
    moved = ledger.read(configs.get, acme, "a3")
    assert (moved.last_run_time, moved.next_run_time) == (AT, AT + DAY)


def test_a_slot_is_noted_once_and_tried_by_one(ledger, acme):
    waits = slot("c1", slug=acme)
    assert ledger.write(slots.note, waits)
    assert not ledger.write(slots.note, waits)
    assert ledger.read(slots.waiting, AT, 10) == [waits]
    assert ledger.write(slots.take, waits, AT + MINUTE)
    assert not ledger.write(slots.take, waits, AT + MINUTE)
    assert ledger.read(slots.waiting, AT, 10) == []

    ledger.write(slots.put_off, waits.scheduled_run_id, AT + DAY, "the day's runs are used up")
    assert ledger.read(slots.next_try) == AT + DAY
    assert ledger.write(slots.hurry, acme, AT + MINUTE) == 1
    [again] = ledger.read(slots.waiting, AT + MINUTE, 10)
    assert (again.error_message, again.scheduled_run_id) == ("the day's runs are used up", waits.scheduled_run_id)
    ledger.write(slots.tie, waits.scheduled_run_id, "r1", "QUEUED", AT)
    assert ledger.read(slots.number_waiting) == 0


def test_a_later_slot_takes_the_place_of_those_that_wait(ledger, acme):
    with ledger.writing() as unit:
        for number in range(3):
            slots.note(unit, slot("c1", AT + number * DAY))
        slots.note(unit, slot("c2"))

    missed = {"before": AT + 2 * DAY, "state": "MISSED", "at": AT, "why": "a later one"}
    assert ledger.write(slots.give_up, "c1", **missed) == 2
    assert [(one.config_id, one.scheduled_time) for one in ledger.read(slots.all_waiting, 10)] == [("c2", AT), ("c1", AT + 2 * DAY)]


def test_one_owner_has_the_clock(ledger):
    assert ledger.write(configs.lease, "first", AT, AT + MINUTE)
    assert not ledger.write(configs.lease, "second", AT, AT + MINUTE)
    assert ledger.write(configs.lease, "first", AT, AT + 2 * MINUTE)
    assert ledger.write(configs.lease, "second", AT + 2 * MINUTE, AT + 3 * MINUTE)
    assert ledger.read(configs.leased).owner == "second"
    ledger.write(configs.release, "first", AT)
    assert ledger.read(configs.leased).until == AT + 3 * MINUTE
    ledger.write(configs.release, "second", AT)
    assert ledger.write(configs.lease, "third", AT, AT + MINUTE)


def test_many_triggers_at_once_admit_each_slot_once(ledger, acme, triggers, crowd):
    """Of three slots, one of which the plan keeps from the queue."""
    ledger.write(lambda unit: unit.change(unit.tables["org_subscriptions"].update().values(concurrent_run_limit=2)))
    with ledger.writing() as unit:
        for number in range(3):
            configs.add(unit, schedule(f"c{number}", acme))

    def call():
        try:
            return triggers()
        # a ledger with more callers than it takes says so, and what is due stays due
        except Throttled:
            return None

    answers = [told for told in at_once(2 * crowd, call) if told is not None]

    assert sum(told.queued_count for told in answers) == 2
    triggers.clock.at = AT + 5 * MINUTE
    assert triggers().queued_count == 0
    with ledger.reading() as unit:
        kept = unit.rows(unit.tables["org_scheduled_pipeline_runs"].select())
        queued = unit.rows(unit.tables[queue.QUEUE].select())
        accepted = unit.rows(unit.tables["org_meta_pipeline_runs"].select())
    assert sorted(row.state for row in kept) == ["QUEUED"] * 2 + ["WAITING"]
    assert len(queued) == len(accepted) == len({row.scheduled_run_id for row in queued}) == 2
    assert {row.scheduled_run_id for row in queued} < {row.scheduled_run_id for row in kept}


def test_a_slot_that_two_find_is_tried_by_one(ledger, acme, triggers):
    waits = slot("c1", slug=acme)
    assert ledger.write(slots.note, waits)
    # as another does after this one has found it
    read = ledger.read

    def found_by_two(op: Any, *args: Any, **more: Any) -> Any:
        answer = read(op, *args, **more)
        if op is slots.waiting:
            assert ledger.write(slots.take, waits, AT + MINUTE)
        return answer

    ledger.read = found_by_two
    assert triggers().triggered_count == 0
    ledger.read = read
    assert ledger.read(slots.number_waiting) == 1


def test_a_slot_whose_run_is_over_is_not_run_again(ledger, acme, triggers):
    ledger.write(configs.add, schedule("c1", acme))
    assert triggers().queued_count == 1
    with ledger.reading() as unit:
        [run] = unit.rows(unit.tables["org_meta_pipeline_runs"].select())
    ledger.write(runs.finish, run.pipeline_logging_id, status="SUCCESS", at=AT)
    assert ledger.write(slots.settle_ended) == 1

    # as one that died before it had moved the schedule on
    seen = ledger.read(configs.get, acme, "c1")
    assert ledger.write(configs.change, seen, replace(seen, next_run_time=AT, updated_at=AT + MINUTE))
    assert triggers().queued_count == 0
    assert ledger.read(configs.get, acme, "c1").next_run_time == AT + DAY
