from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from src.core.ledger.tables import quotas, runs, scheduled, usage_counts
from src.core.ledger.tables.scheduled import NewTrigger
from src.core.ledger.tables.usage_counts import Counters, Span
from tests.contract.ledger.samples import AT, TODAY, org, run

MIDNIGHT = datetime.combine(TODAY, time(), ZoneInfo("UTC"))
SPAN = Span(month=MIDNIGHT.replace(day=1), day=MIDNIGHT, end=MIDNIGHT + timedelta(days=1))


def admitted(unit, run_id, *, at, slug="acme", over=False, triggered=True, generation=1):
    given = run(run_id, slug, accepted_at=at, active_key=f"work of {run_id}", org_generation=generation)
    assert runs.accept(unit, given)
    if triggered:
        trigger = NewTrigger(
            scheduled_run_id=run_id,
            org_slug=slug,
            pipeline_id=given.pipeline_id,
            document=given.document,
            trigger_type="api",
            scheduled_time=at,
            created_at=at,
            queued_at=at,
            max_retries=2,
            pipeline_logging_id=run_id,
        )
        scheduled.add(unit, trigger)
    if over:
        assert runs.finish(unit, run_id, status="SUCCESS", at=at)


def test_runs_are_counted_by_day_and_month_where_they_were_admitted(ledger):
    with ledger.writing() as unit:
        for slug, zone in (("acme", "UTC"), ("brown", "UTC"), ("tokyo", "Asia/Tokyo")):
            assert org(unit, slug, timezone=zone)
        admitted(unit, "r1", at=AT)
        admitted(unit, "r2", at=AT, over=True)
        admitted(unit, "r3", at=SPAN.month, over=True)
        admitted(unit, "after", at=SPAN.end, over=True)
        admitted(unit, "earlier", at=SPAN.month - timedelta(seconds=1), over=True)
        admitted(unit, "untriggered", at=AT, over=True, triggered=False)
        admitted(unit, "before", at=AT, generation=0)
        admitted(unit, "away", at=AT, slug="tokyo")

    assert ledger.read(usage_counts.admitted, "UTC", SPAN) == {"acme": (2, 3)}
    assert ledger.read(usage_counts.admitted, "UTC", SPAN, "brown") == {}
    assert ledger.read(usage_counts.open_runs) == {"acme": 1, "tokyo": 1}


def test_counters_are_corrected_from_what_they_were_seen_to_be(ledger):
    with ledger.writing() as unit:
        assert org(unit, "acme")
        assert quotas.reserve(unit, "acme", day=TODAY, at=AT) is None
    [seen] = ledger.read(usage_counts.rows)
    assert (seen.org_slug, seen.timezone, seen.usage_date, seen.counted) == ("acme", "UTC", TODAY, Counters(1, 1, 1))

    ledger.write(quotas.release, "acme", AT)
    assert not ledger.write(usage_counts.correct, seen, Counters(7, 8, 9), AT)
    [seen] = ledger.read(usage_counts.rows, "acme")
    assert ledger.write(usage_counts.correct, seen, Counters(7, 8, 9), AT)
    assert ledger.read(usage_counts.rows)[0].counted == Counters(7, 8, 9)
