from datetime import date, timedelta

import pytest

from src.core.ledger.tables import configs, subscriptions, tracking
from src.core.ledger.tables.configs import Schedule
from src.core.outbox.sweep import Sweep
from tests.core.outbox.parts import START, Outbox
from tests.core.outbox.test_fanout import day, told


def swept(outbox: Outbox, hours: float = 0) -> int:
    outbox.clock.at += timedelta(hours=hours)
    made = Sweep(outbox.parts).run()
    outbox.fan_out()
    return made


def schedule(outbox: Outbox) -> None:
    made = Schedule(
        config_id="s1",
        org_slug="acme",
        pipeline_id="acme-gcp-cost",
        document="gcp/cost/billing",
        provider="gcp",
        domain="cost",
        schedule_cron="0 3 * * *",
        timezone="UTC",
        is_active=True,
        next_run_time=START + timedelta(days=30),
        created_at=START,
        updated_at=START,
    )
    assert outbox.parts.ledger.write(configs.add, made)


def test_a_day_that_has_not_come_by_noon_of_the_second_day_after_it_is_told_once(outbox: Outbox):
    outbox.channel("people")
    schedule(outbox)
    outbox.parts.ledger.write(tracking.record, [day(17), day(18, "missing")])
    # half past twelve of the 20th: the 18th is late, the 19th not yet
    assert (swept(outbox), swept(outbox, 2)) == (1, 0)
    (data,) = told(outbox, "data.stale")
    assert data["days"] == [
        {
            "usage_date": "2026-11-18",
            "was": None,
            "now": "missing",
            "reason": "nothing of this day had come by 2026-11-20 12:00 UTC; the last day that came is 2026-11-17",
        }
    ]
    assert swept(outbox, 21.4) == 0
    assert swept(outbox, 0.2) == 1


def test_days_whose_hour_fell_where_nobody_looked_are_told_later(outbox: Outbox):
    outbox.channel("people")
    schedule(outbox)
    outbox.parts.ledger.write(tracking.record, [day(10)])
    assert swept(outbox) == 3
    days = {data["days"][0]["usage_date"] for data in told(outbox, "data.stale")}
    assert days == {"2026-11-16", "2026-11-17", "2026-11-18"}


@pytest.mark.parametrize("why", ["came", "unscheduled", "long unused", "untold"])
def test_nobody_is_told_of_a_day_that_came_or_is_not_waited_for(outbox: Outbox, why):
    if why != "untold":
        outbox.channel("people")
    if why != "unscheduled":
        schedule(outbox)
    days = {"came": [day(17), day(18)], "long unused": [day(1)]}.get(why, [day(17)])
    outbox.parts.ledger.write(tracking.record, days)
    assert swept(outbox) == 0


def test_provisional_days_that_nobody_looks_after_are_told_until_a_run_succeeds(outbox: Outbox):
    outbox.channel("people")
    outbox.end("SUCCESS")
    outbox.parts.ledger.write(tracking.record, [day(16), day(17, "provisional")])
    assert (swept(outbox, 48), swept(outbox, 1), swept(outbox, 2)) == (0, 1, 0)
    (data,) = told(outbox, "data.stale")
    assert [(one["usage_date"], one["was"], one["now"]) for one in data["days"]] == [("2026-11-17", "provisional", "stale")]
    outbox.end("SUCCESS")
    assert (swept(outbox, 2), swept(outbox, 47)) == (0, 1)


def test_a_trial_ends_by_the_organisations_own_day(outbox: Outbox):
    outbox.organisation("ahead", timezone="Pacific/Kiritimati")
    outbox.channel("people", slug="ahead")
    outbox.channel("people")
    for slug in ("acme", "ahead"):
        outbox.parts.ledger.write(subscriptions.set_status, slug, "TRIAL", START)
        outbox.parts.ledger.write(subscriptions.set_trial_end, slug, date(2026, 11, 20), START)
    # there it is the 21st already
    assert (swept(outbox), [row.event_type for row in outbox.rows("ahead")], outbox.rows()) == (1, ["plan.blocked"], [])
    assert swept(outbox, 12) == 1
    assert told(outbox, "plan.blocked")[0]["reason"] == "the trial ended on 2026-11-20"
    # its event ages out some day, and what it told is no news then
    outbox.parts.ledger.write(subscriptions.set_trial_end, "acme", date(2026, 9, 1), START)
    assert swept(outbox, 2) == 0


def test_it_looks_once_an_hour(outbox: Outbox):
    sweep = Sweep(outbox.parts)
    outbox.channel("people")
    schedule(outbox)
    sweep.run()
    outbox.parts.ledger.write(tracking.record, [day(17)])
    assert sweep.run() == 0
    outbox.clock.pass_(hours=1)
    assert sweep.run() == 1
