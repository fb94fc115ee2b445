from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from src.core.ledger.tables import dq_results as dq
from tests.contract.ledger.samples import AT

MONTH = dq.Finding(
    expectation_index=3,
    type="expect_column_values_to_be_between",
    column="usage_date",
    severity="critical",
    passed=False,
    observed="1 of 7",
    expected={"min_value": date(2026, 11, 1), "share": Decimal("0.5")},
    rows_judged=7,
    rows_failing=1,
    sentence="1 of 7 rows have a usage_date below 2026-11-01",
)
TABLE = replace(
    MONTH,
    expectation_index=0,
    type="expect_column_to_exist",
    column=None,
    severity="info",
    passed=True,
    rows_judged=None,
    rows_failing=None,
)


def record(ledger, *findings: dq.Finding, run_id="r1", **changes: object):
    given = {"generation": 1, "org_slug": "acme", "step_id": "load_billing", "suite": "bills", "table": "daily", "at": AT}
    ledger.write(dq.record, run_id=run_id, findings=findings, **{**given, **changes})


def test_what_was_found_is_kept(ledger):
    record(ledger, MONTH)

    (found,) = ledger.read(dq.of_run, "r1")

    assert (found.pipeline_logging_id, found.org_slug, found.step_id) == ("r1", "acme", "load_billing")
    assert (found.suite, found.table_name, found.expectation_index) == ("bills", "daily", 3)
    assert (found.expectation_type, found.column_name) == ("expect_column_values_to_be_between", "usage_date")
    assert (found.severity, found.passed, found.observed) == ("critical", False, "1 of 7")
    assert (found.expected, found.rows_judged, found.rows_failing) == ({"min_value": "2026-11-01", "share": "0.5"}, 7, 1)
    assert found.checked_at == AT


def test_findings_come_in_the_order_of_judging_then_of_the_suite(ledger):
    later = AT + timedelta(seconds=1)
    record(ledger, TABLE, part="2026-12", at=later)
    record(ledger, MONTH, TABLE)
    record(ledger, MONTH, run_id="r2")

    assert [(one.checked_at, one.expectation_index) for one in ledger.read(dq.of_run, "r1")] == [(AT, 0), (AT, 3), (later, 0)]
    assert ledger.read(dq.of_run, "r3") == []


def test_recording_twice_is_recording_once(ledger):
    record(ledger, MONTH, TABLE)
    record(ledger, replace(MONTH, passed=True), TABLE, at=AT + timedelta(hours=1))

    assert [(one.passed, one.checked_at) for one in ledger.read(dq.of_run, "r1")] == [(True, AT), (False, AT)]


def test_each_claim_part_step_and_table_has_its_own(ledger):
    changes: list[dict[str, object]] = [{}, {"generation": 2}, {"part": "2026-10"}, {"step_id": "load_more"}, {"table": "raw"}]
    for change in changes:
        record(ledger, MONTH, **change)

    assert len(ledger.read(dq.of_run, "r1")) == len(changes)
