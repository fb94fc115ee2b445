from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from src.core.ledger.tables import channels, lateness, runs, subscriptions, tracking
from src.core.ledger.tables.channels import Channel
from src.core.ledger.tables.lateness import EndedTrial, TrackedSpan
from src.core.ledger.tables.runs import LastStatus
from src.core.ledger.tables.tracking import TrackedDay
from tests.contract.ledger.samples import AT, TODAY, put, row_of, run


def day(number, completeness, provider="gcp"):
    return TrackedDay(
        org_slug="acme",
        provider=provider,
        usage_date=date(2026, 11, number),
        currency="EUR",
        completeness=completeness,
        completeness_reason=None,
        billed_cost=None,
        credits=None,
        net_cost=Decimal("1.5"),
        row_count=1,
        source_as_of=None,
        pipeline_logging_id="r1",
        generation=1,
        updated_at=AT,
    )


def test_the_clock_finds_days_schedules_successes_and_ended_trials(ledger, acme):
    days = [day(10, "complete"), day(11, "provisional"), day(12, "missing"), day(12, "provisional", "openai")]
    ledger.write(tracking.record, days)
    on = Channel(channel_id="c1", org_slug="acme", kind="email", name="on", created_at=AT, updated_at=AT)
    with ledger.writing() as unit:
        assert channels.add(unit, on)
        schedules = unit.tables["org_pipeline_configs"]
        for config_id, active in (("s1", True), ("s2", False)):
            put(unit, schedules, {**row_of(schedules, "acme"), "config_id": config_id, "provider": f"of {config_id}", "is_active": active})
        ends: tuple[tuple[int, LastStatus], ...] = ((1, "SUCCESS"), (2, "SUCCESS"), (3, "FAILED"))
        for number, status in ends:
            runs.accept(unit, run(f"r{number}", pipeline_id=f"p{number}", active_key=None))
            runs.finish(unit, f"r{number}", status=status, at=AT + timedelta(hours=number))

    assert ledger.read(lateness.told) == {"acme"}
    assert sorted(ledger.read(lateness.spans, date(2026, 11, 11))) == [
        TrackedSpan("acme", "gcp", date(2026, 11, 11), 1),
        TrackedSpan("acme", "openai", date(2026, 11, 12), 1),
    ]
    assert ledger.read(lateness.scheduled) == {("acme", "of s1")}
    assert ledger.read(lateness.last_successes, datetime(2026, 11, 1, tzinfo=UTC)) == {("acme", "gcp"): AT + timedelta(hours=2)}
    assert ledger.read(lateness.last_successes, AT + timedelta(days=1)) == {}
    ledger.write(subscriptions.set_status, "acme", "TRIAL", AT)
    ledger.write(subscriptions.set_trial_end, "acme", TODAY, AT)
    tomorrow = TODAY + timedelta(days=1)
    assert ledger.read(lateness.trials_between, date(2026, 1, 1), TODAY) == []
    assert ledger.read(lateness.trials_between, TODAY, tomorrow) == [EndedTrial("acme", 1, "UTC", TODAY)]
    assert ledger.read(lateness.trials_between, tomorrow, tomorrow + timedelta(days=1)) == []
    assert ledger.write(channels.disable, "c1", AT, "it is gone")
    assert ledger.read(lateness.told) == frozenset()
