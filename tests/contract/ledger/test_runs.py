from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from src.core.ledger.tables import runs
from src.core.ledger.tables.run_pages import RunFilter, page
from tests.contract.ledger.rivals import at_once
from tests.contract.ledger.samples import AT, run, step

SECOND = timedelta(seconds=1)


def test_a_run_from_acceptance_to_its_end(ledger):
    assert ledger.write(runs.accept, run("r1"))
    assert ledger.write(runs.begin, "r1", AT + SECOND)
    answer = {"totals": {"EUR": "12.340000001"}}
    assert ledger.write(runs.finish, "r1", status="SUCCESS", at=AT + 3.5 * SECOND, result=answer, rows_processed=7)
    found = ledger.read(runs.get, "r1")
    assert (found.status, found.attempt, found.duration_ms, found.rows_processed) == ("SUCCESS", 1, 2500, 7)
    assert (found.accepted_at, found.started_at, found.ended_at) == (AT, AT + SECOND, AT + 3.5 * SECOND)
    assert (found.parameters, found.result) == ({"date": "2026-11-19"}, answer)
    assert (str(found.window_start), str(found.window_end)) == ("2026-11-01", "2026-11-19")


def test_a_run_is_accepted_once(ledger):
    assert [ledger.write(runs.accept, run("r1")) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("same", [{"active_key": "acme gcp june"}, {"idempotency_key": "abc"}])
def test_the_same_work_is_accepted_once(ledger, same):
    assert ledger.write(runs.accept, run("r1", **same))
    assert not ledger.write(runs.accept, run("r2", **same))
    assert ledger.write(runs.accept, run("r3"))
    assert ledger.read(runs.get, "r2") is None


def test_work_that_is_over_may_be_accepted_again(ledger):
    ledger.write(runs.accept, run("r1", active_key="acme gcp june"))
    ledger.write(runs.finish, "r1", status="FAILED", at=AT)
    assert ledger.write(runs.accept, run("r2", active_key="acme gcp june"))


def test_the_idempotency_key_belongs_to_its_organisation(ledger):
    assert ledger.write(runs.accept, run("r1", idempotency_key="abc"))
    assert ledger.write(runs.accept, run("r2", "other", idempotency_key="abc"))


def test_a_run_begins_once_also_when_accepted_as_running(ledger):
    ledger.write(runs.accept, run("r1"))
    ledger.write(runs.accept, run("r2", status="RUNNING"))
    for run_id in ("r1", "r2"):
        assert [ledger.write(runs.begin, run_id, AT) for _ in range(2)] == [True, False]
    assert not ledger.write(runs.begin, "nothing", AT)


def test_a_run_that_waits_is_taken_once_and_answered_as_it_is_then(ledger):
    ledger.write(runs.accept, run("r1"))
    taken = ledger.write(runs.take, "r1", AT)
    assert taken is not None
    kept = ledger.read(runs.get, "r1")
    assert (kept.status, kept.attempt, kept.started_at) == ("RUNNING", 1, AT)
    assert asdict(taken).items() <= asdict(kept).items()
    assert ledger.write(runs.take, "r1", AT) is None
    ledger.write(runs.put_back, "r1", 1)
    again = ledger.write(runs.take, "r1", AT + SECOND)
    assert again is not None
    assert (again.attempt, again.started_at) == (2, AT)


def test_its_end_keeps_the_progress_it_showed_unless_it_is_told_another(ledger):
    for name, told in (("r1", None), ("r2", {"percent": 100})):
        ledger.write(runs.accept, run(name))
        ledger.write(runs.take, name, AT)
        ledger.write(runs.tell_progress, name, {"percent": 40})
        assert ledger.write(runs.finish, name, status="SUCCESS", at=AT + SECOND, began_at=AT - SECOND, progress=told)
    first, second = (ledger.read(runs.get, name) for name in ("r1", "r2"))
    assert (first.progress, second.progress) == ({"percent": 40}, {"percent": 100})
    assert first.duration_ms == 2000


def test_of_many_who_end_a_run_one_is_told_so(ledger):
    ledger.write(runs.accept, run("r1"))
    ledger.write(runs.begin, "r1", AT)
    assert sum(at_once(8, lambda: ledger.write(runs.finish, "r1", status="CANCELLED", at=AT))) == 1
    assert not ledger.write(runs.begin, "r1", AT)
    assert not ledger.write(runs.finish, "r1", status="SUCCESS", at=AT)
    assert ledger.read(runs.get, "r1").status == "CANCELLED"


def test_a_run_that_never_began_can_fail(ledger):
    ledger.write(runs.accept, run("r1"))
    ledger.write(runs.finish, "r1", status="FAILED", at=AT, error_code="unavailable", error_message="no answer")
    found = ledger.read(runs.get, "r1")
    assert (found.duration_ms, found.error_code, found.error_message) == (None, "unavailable", "no answer")


def test_steps_come_in_the_order_of_the_document_and_repeat_harmlessly(ledger):
    for run_id in ("r1", "r2"):
        ledger.write(runs.accept, run(run_id))
    logged = [step("c", "r1", step_index=1), step("b", "r1", attempt=2), step("a", "r1", status="FAILED", result=None)]
    for each in (*logged, *logged, step("d", "r2")):
        ledger.write(runs.log_step, each)
    assert ledger.read(runs.steps, "r1") == [logged[2], logged[1], logged[0]]


def test_runs_are_listed_newest_first_and_filtered(ledger):
    for at in range(6):
        ledger.write(runs.accept, run(f"r{at}", "acme" if at % 2 else "busy", provider="gcp" if at < 3 else "aws"))
    ledger.write(runs.begin, "r5", AT)

    def listed(slug, after=None, limit=50, **wanted: Any):
        return [found.pipeline_logging_id for found in ledger.read(page, slug, RunFilter(**wanted), after=after, limit=limit)]

    assert listed("acme") == ["r5", "r3", "r1"]
    assert listed("acme", limit=1, after="r5") == ["r3"]
    assert listed("acme", statuses=["RUNNING"]) == ["r5"]
    assert listed("acme", provider="gcp") == ["r1"]
    assert listed("acme", pipeline_id="other") == []
    assert listed("other") == []
