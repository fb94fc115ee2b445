"""Backfills and their windows, on every ledger."""

from datetime import date, timedelta

from src.core.backfill import asking
from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, OrgSlug
from src.core.base.window import Window
from src.core.ledger.tables import ageing, backfills, queue, quotas, usage_counts
from src.core.ledger.tables.usage_counts import Span
from src.core.scheduler.settling import Ending, settle
from src.core.schedules.trigger import go_on
from tests.contract.ledger.rivals import at_once
from tests.contract.ledger.samples import AT, SCALE, TODAY, org
from tests.contract.ledger.test_schedules import triggers

__all__ = ["triggers"]

TENANT = Tenant(OrgSlug("acme"), Environment.DEVELOPMENT)
QUARTER = Window(date(2026, 7, 1), date(2026, 9, 30))


def ask(triggers, **inputs: object):
    entry = triggers.catalog.get("fake/cost")
    return asking.ask(triggers, triggers.catalog, tenant=TENANT, actor=Actor("root"), entry=entry, days=QUARTER, inputs=inputs)


def begun(triggers):
    with triggers.ledger.writing() as unit:
        assert org(unit, "acme", plan=SCALE)
    return ask(triggers).standing.row.scheduled_run_id


def end_window(triggers, status="SUCCESS"):
    now = triggers.clock.now()
    entry = triggers.ledger.write(queue.claim, "w", now, now + timedelta(minutes=1))
    ending = Ending(
        run_id=entry.pipeline_logging_id,
        audit_id=triggers.ids.new(),
        org_slug="acme",
        pipeline_id="acme-gcp-cost",
        actor=Actor("system"),
        status=status,
        at=now,
    )
    with triggers.ledger.writing() as unit:
        assert settle(unit, ending)
        assert queue.complete(unit, queue.Hold(entry.queue_id, "w", entry.lease_generation))
    return entry.window_start, entry.window_end


def test_each_window_is_run_once_and_they_count_as_one_run_a_day(triggers):
    backfill_id = begun(triggers)
    ended = []
    for _ in range(3):
        assert triggers().queued_count == 1
        ended.append(end_window(triggers))
    triggers()

    standing = asking.existing(triggers, TENANT, backfill_id)
    assert ended == [(window.start, window.end) for window in standing.planned]
    assert (standing.row.state, len(standing.done)) == ("COMPLETED", 3)
    used = triggers.ledger.read(quotas.usage, "acme", TODAY)
    assert (used.run_today, used.running) == (1, 0)
    day = AT.replace(hour=0, minute=0, second=0, microsecond=0)
    span = Span(month=day.replace(day=1), day=day, end=day + timedelta(days=1))
    assert triggers.ledger.read(usage_counts.admitted, "UTC", span, "acme") == {"acme": (1, 1)}


def test_many_at_once_have_one_backfill_and_one_window_of_it(triggers, crowd):
    with triggers.ledger.writing() as unit:
        assert org(unit, "acme", plan=SCALE)

    asked = at_once(crowd // 4, lambda: ask(triggers))
    at_once(crowd // 4, lambda: go_on(triggers, triggers.catalog, asked[0].standing.row))

    assert sum(one.fresh for one in asked) == 1
    assert len({one.standing.row.scheduled_run_id for one in asked}) == 1
    standing = asking.existing(triggers, TENANT, asked[0].standing.row.scheduled_run_id)
    assert [window.window_start for window in standing.noted] == [date(2026, 7, 1)]
    used = triggers.ledger.read(quotas.usage, "acme", TODAY)
    # it waits without a place
    assert (used.run_today, used.running) == (1, 0)


def test_a_cancelled_one_is_over_and_may_be_asked_for_anew(triggers):
    backfill_id = begun(triggers)
    triggers()

    stopped = asking.cancel(triggers, tenant=TENANT, actor=Actor("root"), backfill_id=backfill_id)

    assert (stopped.row.state, [window.state for window in stopped.noted]) == ("CANCELLED", ["CANCELLED"])
    assert triggers.ledger.read(backfills.idle, 10) == []
    anew = ask(triggers)
    assert anew.fresh
    assert [row.state for row in triggers.ledger.read(backfills.listing, "acme", 10)].count("OPEN") == 1


def test_retention_leaves_an_open_backfill_with_its_windows(triggers):
    backfill_id = begun(triggers)
    triggers()
    end_window(triggers)
    later = AT + timedelta(days=100)
    for kind in ("runs", "scheduled"):
        triggers.ledger.write(ageing.remove, kind, later, 100)

    assert len(asking.existing(triggers, TENANT, backfill_id).done) == 1

    asking.cancel(triggers, tenant=TENANT, actor=Actor("root"), backfill_id=backfill_id)
    assert triggers.ledger.write(ageing.remove, "scheduled", later, 100) == 2
