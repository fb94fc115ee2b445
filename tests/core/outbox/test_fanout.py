from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.core.base.faults import StepFailed
from src.core.base.settings import ROOT
from src.core.ledger.tables import events, tracking
from src.core.ledger.tables.tracking import TrackedDay
from src.core.outbox.hooks import Hook
from src.core.outbox.told import of_run
from tests.contract.ledger.samples import step
from tests.core.outbox.parts import START, Outbox

PIPELINES = ("acme-gcp-cost", "acme-openai-cost")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("end"), st.sampled_from(PIPELINES), st.sampled_from(("SUCCESS", "FAILED", "CANCELLED"))),
        st.tuples(st.just("fan out"), st.just(""), st.just("")),
        st.tuples(st.just("die"), st.integers(1, 3), st.just("")),
        st.tuples(st.just("repeat"), st.just(""), st.just("")),
    ),
    max_size=14,
)


NUMBER = count(1)


@dataclass
class Model:
    """Who is told what, by the order of the ends alone: however often and whenever the outbox looked, or died."""

    failures: Counter[str] = field(default_factory=Counter)
    told: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def end(self, pipeline: str, status: str) -> None:
        if status == "FAILED":
            self.told["machine", "run.failed", "WAITING"] += 1
            self.told["people", "run.failed", "GATHERED" if self.failures[pipeline] else "WAITING"] += 1
            self.failures[pipeline] += 1
        elif status == "SUCCESS":
            self.told["machine", "run.succeeded", "WAITING"] += 1
            if self.failures[pipeline]:
                self.told.update([("machine", "run.recovered", "WAITING"), ("people", "run.recovered", "WAITING")])
            self.failures[pipeline] = 0


class _Killed(BaseException):
    pass


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_dies_and_is_repeated_each_channel_is_told_what_the_ends_come_to(outbox, monkeypatch, steps):
    # one ledger for all examples, an organisation for each
    slug, model = f"org{next(NUMBER)}", Model()
    outbox.organisation(slug)
    outbox.channel("people", slug=slug)
    outbox.channel("machine", "webhook", slug=slug)
    for what, which, status in steps:
        outbox.clock.pass_(minutes=1)
        if what == "end":
            outbox.end(status, pipeline=which, slug=slug)
            model.end(which, status)
        elif what == "fan out":
            outbox.fan_out()
        elif what == "die":
            _die_at(outbox, monkeypatch, which)
        else:
            _forget_that_it_was_done(outbox, slug)
    # what one pass finds out is told by the next
    while outbox.fan_out():
        pass
    assert Counter((row.channel_name, row.event_type, row.state) for row in outbox.rows(slug)) == model.told


def _die_at(outbox: Outbox, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    left, real = [number], events.fanned_out

    def killed(*args: Any) -> bool:
        left[0] -= 1
        if left[0] == 0:
            raise _Killed
        return real(*args)

    with monkeypatch.context() as patched:
        patched.setattr(events, "fanned_out", killed)
        try:
            outbox.fan_out()
        except _Killed:
            return


def _forget_that_it_was_done(outbox: Outbox, slug: str) -> None:
    """As where nothing is undone: all rows are written, and the last statement is not."""
    with outbox.parts.ledger.writing() as unit:
        table = unit.tables["org_events"]
        unit.change(table.update().where(table.c.org_slug == slug).values(state="NEW"))


def day(number: int, completeness: str = "complete", *, reason: str | None = None, generation: int = 1, amount: str = "1.25"):
    return TrackedDay(
        org_slug="acme",
        provider="gcp",
        usage_date=date(2026, 11, number),
        currency="EUR",
        completeness=completeness,
        completeness_reason=reason,
        billed_cost=Decimal(amount),
        credits=Decimal(0),
        net_cost=Decimal(amount),
        row_count=1,
        source_as_of=None,
        pipeline_logging_id=f"run{generation}",
        generation=generation,
        updated_at=START,
    )


def told(outbox: Outbox, type_: str) -> list[dict[str, Any]]:
    found = {row.event_id for row in outbox.rows() if row.event_type == type_}
    return [dict(row.data) for row in outbox.parts.ledger.read(events.several, sorted(found)).values()]


def test_a_runs_message_sums_its_days_counts_how_complete_they_are_and_calls_the_untold_unknown(outbox: Outbox):
    outbox.channel("machine", "webhook")
    days = [day(number) for number in range(1, 17)]
    days += [day(17, "provisional", reason="2.5 of 40.11 USD is explained by no cause"), day(18, "unpriced", reason="no price for x")]
    outbox.parts.ledger.write(tracking.record, days)
    restated = {
        "period": "2026-11-03",
        "currency": "EUR",
        "was": "1",
        "is": "1.25",
        "change": "0.25",
        "reason": "late",
        "changed_at": "now",
    }
    result = {"completeness": {"complete": 16}, "days_changed": 18, "restated": 1, "restatements": [restated]}
    for _ in range(2):
        outbox.end("SUCCESS", steps=[step(f"s{outbox.clock.at}", "", result=result)])
        outbox.clock.pass_(minutes=1)
    while outbox.fan_out():
        pass
    data = told(outbox, "run.succeeded")[0]
    assert data["totals"] == [{"currency": "EUR", "amount": "22.50", "figure": "net"}]
    assert [(one["status"], one["days"]) for one in data["completeness"]] == [
        ("complete", 16),
        ("provisional", 1),
        ("unpriced", 1),
        ("unknown", 1),
    ]
    assert data["changes"] == [
        "18 days say something else than before, or for the first time",
        "1 figure that had been told as whole was restated",
    ]
    assert [one["restatements"] for one in told(outbox, "books.restated")] == [[restated], [restated]]
    # the same doubt is told once, whatever run finds it again
    (doubt,) = told(outbox, "reconciliation.failed")
    assert doubt["days"] == [
        {
            "usage_date": "2026-11-17",
            "currency": "USD",
            "reported": None,
            "computed": None,
            "difference": "2.5",
            "cause": "2.5 of 40.11 USD is explained by no cause",
        }
    ]


def test_the_question_of_doubts_still_says_it_in_the_words_that_are_read():
    assert "' is explained by no cause'" in (ROOT / "configs/system/reconciliation/doubts.sql").read_text()


def test_a_recovery_names_the_windows_that_are_still_not_done(outbox: Outbox):
    outbox.channel("people")
    for first, last in ((1, 3), (4, 6)):
        outbox.end("FAILED", window_start=date(2026, 11, first), window_end=date(2026, 11, last))
        outbox.fan_out()
        outbox.clock.pass_(minutes=1)
    outbox.end("SUCCESS", window_start=date(2026, 11, 4), window_end=date(2026, 11, 6))
    while outbox.fan_out():
        pass
    (data,) = told(outbox, "run.recovered")
    assert data["changes"] == ["the run of 2026-11-01 to 2026-11-03 had failed and has not been done by this one"]
    assert (data["failures"], data["what_to_do"] is not None) == (2, True)


def test_a_hook_sends_to_its_channel_whatever_that_asked_for_and_a_missing_channel_is_seen(outbox: Outbox):
    outbox.channel("finance", events=())
    outbox.hooks = [Hook("always", "email", "finance"), Hook("on_failure", "slack", "nowhere"), Hook("always", "slack", "finance")]
    outbox.end("FAILED")
    outbox.fan_out()
    assert {(row.channel_name, row.channel_kind, row.state): row.last_error for row in outbox.rows()} == {
        ("finance", "email", "WAITING"): None,
        ("finance", "slack", "FAILED"): (
            "the pipeline's hook names the slack channel 'finance', and the organisation has none that is active; make it"
        ),
        ("nowhere", "slack", "FAILED"): (
            "the pipeline's hook names the slack channel 'nowhere', and the organisation has none that is active; make it"
        ),
    }


def test_days_that_were_whole_and_are_no_more_are_told_with_the_publication_that_says_so(outbox: Outbox):
    outbox.channel("people")
    write = outbox.parts.ledger.write
    write(tracking.record, [day(1), day(2, "provisional"), day(3, "partial")])
    write(tracking.record, [day(1, "partial", reason="a", generation=2), day(2, "complete", generation=2), day(3, "missing", generation=2)])
    # an older word changes nothing, and is told of to nobody
    write(tracking.record, [day(2, "stale", generation=1)])
    outbox.fan_out()
    (data,) = told(outbox, "data.stale")
    assert data["days"] == [{"usage_date": "2026-11-01", "was": "complete", "now": "partial", "reason": "a"}]


def test_an_event_that_cannot_be_fanned_out_holds_up_no_other(outbox: Outbox, monkeypatch):
    outbox.channel("people")
    outbox.end("FAILED")
    outbox.clock.pass_(minutes=1)
    outbox.end("FAILED", pipeline=PIPELINES[1])
    monkeypatch.setattr("src.core.outbox.fanout.of_run", _broken_once())
    assert outbox.fan_out() == 2
    assert len(outbox.rows()) == 1
    outbox.clock.at += timedelta(minutes=2)
    assert outbox.fan_out() == 1
    assert len(outbox.rows()) == 2


def _broken_once() -> Any:

    left = [1]

    def of(*args: Any) -> dict[str, Any]:
        if left.pop() if left else 0:
            raise StepFailed("its row says nonsense")
        return of_run(*args)

    return of
