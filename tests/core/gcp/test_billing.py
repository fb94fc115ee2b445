"""The first bill, against answers that no engine counted."""

import json
import shutil
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
import structlog

from src.core.base.faults import BooksNotClosed, QualityFailed
from src.core.base.secret import Secret
from src.core.base.settings import ROOT as TREE
from src.core.base.settings import use_settings
from src.core.ledger.tables import dq_results as dq
from src.core.ledger.tables import tracking
from src.core.processors.gcp.bq_etl import BigQueryETLEngine
from src.core.step.books.history import restated_facts
from src.core.step.context import StepContext
from src.core.step.gcp.bigquery_export import BigQueryExport
from src.sandbox.gcp.accounts import DOLLARS, EUROS, detailed_table, standard_table
from tests.core.gcp.conftest import OCTOBER, TODAY
from tests.fakes.billing import ROOT, billing

pytestmark = pytest.mark.bill
SEPTEMBER = date(2026, 9, 1), date(2026, 9, 30)
DAILY = "SELECT usage_date, currency, SUM(cost) AS billed, SUM(credits) AS credits, SUM(row_count) AS n FROM gcp_cost_daily GROUP BY 1, 2"
EVERYTHING = {
    "gcp_billing_daily_raw": "SELECT TO_JSON_STRING(r) AS row_text, COUNT(*) AS n FROM gcp_billing_daily_raw AS r GROUP BY 1 ORDER BY 1",
    "gcp_cost_billing": "SELECT TO_JSON_STRING(r) AS row_text, COUNT(*) AS n FROM gcp_cost_billing AS r GROUP BY 1 ORDER BY 1",
    "x_cost_daily": "SELECT usage_date, currency, billed_cost, credits, net_cost, row_count, completeness, completeness_reason, "
    "source_as_of FROM x_cost_daily ORDER BY 1, 2",
    "x_cost_monthly": "SELECT invoice_month, currency, billed_cost, credits, net_cost, row_count, completeness "
    "FROM x_cost_monthly ORDER BY 1, 2",
    "x_source_slices": "SELECT source, slice, version, row_count FROM x_source_slices ORDER BY 1, 2",
}


def state(acme):
    return {name: acme.ask(sql) for name, sql in EVERYTHING.items()}


def answered(acme, first, last):
    gcp = acme.parts.sandbox.gcp
    return [gcp.answers(table, first, last) for table in (detailed_table(DOLLARS), standard_table(EUROS))]


async def test_every_day_and_month_is_right_to_the_last_digit(october):
    acme = october
    answers = answered(acme, OCTOBER[0], OCTOBER[1] + timedelta(10))

    days = {(row["currency"], row["usage_date"]): (row["billed"], row["credits"], row["n"]) for row in acme.ask(DAILY)}
    assert days == {key: (t.billed, t.credits, t.rows) for one in answers for key, t in one.by_usage_day.items()}
    months = {(row["currency"], row["invoice_month"]): row["net_cost"] for row in acme.ask("SELECT * FROM x_cost_monthly")}
    assert months == {key: total.net for one in answers for key, total in one.by_invoice_month.items()}
    [manifest] = acme.ask("SELECT rows_written FROM x_load_manifests")
    assert manifest["rows_written"] == sum(one.rows for one in answers)


async def test_the_manifest_says_what_was_read_and_that_it_closes(acme):
    result = await acme.load(*OCTOBER)

    [manifest] = acme.ask("SELECT * FROM x_load_manifests")
    assert result["destination_table"] == "gcp_billing_daily_raw"
    assert manifest["rows_read"] == manifest["rows_written"] == result["rows_processed"]
    assert {(t["currency"], t["invoice_month"]): Decimal(t["net_cost"]) for t in result["totals"]} == {
        key: total.net for one in answered(acme, OCTOBER[0], OCTOBER[1] + timedelta(10)) for key, total in one.by_invoice_month.items()
    }
    assert "cost_at_list_future" in manifest["columns_unknown"]
    assert [one["slices"] for one in result["unread"]] == [9, 9]  # 11 to 19 November


async def test_running_a_window_twice_leaves_what_running_it_once_leaves(october):
    acme, once = october, state(october)
    await acme.load(*OCTOBER)
    again = state(acme)
    await acme.load(*OCTOBER, reload=True)

    assert again == once
    assert state(acme) == once
    assert [row["rows_read"] > 0 for row in acme.ask("SELECT rows_read FROM x_load_manifests ORDER BY published_at")] == [True, False, True]
    assert acme.ask("SELECT * FROM x_cost_history") == []


async def test_the_order_of_windows_does_not_matter(acme, tmp_path, onboarded):
    windows = (date(2026, 9, 26), date(2026, 9, 30)), (date(2026, 10, 1), date(2026, 10, 5)), (date(2026, 11, 16), TODAY)
    for window in windows:
        await acme.load(*window)
    forward = state(acme)
    acme.parts.close()
    with billing(tmp_path / "other", TODAY, history=onboarded) as other:
        for window in reversed(windows):
            await other.load(*window)
        await other.load(windows[0][0], windows[1][1])

        assert state(other) == forward


async def test_completeness_is_told_of_every_day(acme):
    await acme.load(SEPTEMBER[0], TODAY)

    told = {row["usage_date"]: row["completeness"] for row in acme.ask("SELECT usage_date, completeness FROM x_cost_daily")}
    assert {told[day] for day in told if SEPTEMBER[0] <= day <= OCTOBER[1]} == {"complete"}
    assert {told[day] for day in told if date(2026, 11, 1) <= day < TODAY} == {"provisional"}
    assert {told[day] for day in told if day < SEPTEMBER[0]} == {"partial"}  # late rows and corrections of days that were never loaded
    tracked = acme.parts.ledger.read(tracking.of_org, "acme_corp", first=SEPTEMBER[0], last=TODAY)
    assert {row["usage_date"]: row["completeness"] for row in tracked} == {day: word for day, word in told.items() if day >= SEPTEMBER[0]}


async def test_a_window_alone_is_stale_where_the_source_went_on(acme):
    await acme.load(*SEPTEMBER)

    [row] = acme.ask("SELECT DISTINCT completeness, completeness_reason FROM x_cost_daily WHERE usage_date = @day", day=date(2026, 9, 15))
    assert row["completeness"] == "stale"
    assert "2026-10-11 to 2026-11-" in row["completeness_reason"]


async def test_a_restated_load_day_takes_the_place_of_what_it_was(acme):
    await acme.load(OCTOBER[0], TODAY)
    before = {(row["currency"], row["usage_date"]): row["billed"] for row in acme.ask(DAILY)}
    acme.clock.today = TODAY + timedelta(1)
    result = await acme.load(date(2026, 11, 15), acme.clock.today)

    answers = answered(acme, OCTOBER[0], acme.clock.today)
    days = {(row["currency"], row["usage_date"]): (row["billed"], row["credits"], row["n"]) for row in acme.ask(DAILY)}
    assert days == {key: (t.billed, t.credits, t.rows) for one in answers for key, t in one.by_usage_day.items()}
    assert result["restated"] > 0
    history = acme.ask("SELECT * FROM x_cost_history WHERE grain = 'day' ORDER BY period")
    for row in history:
        key = (row["currency"], date.fromisoformat(row["period"]))
        assert row["billed_before"] == before[key]
        assert row["billed_after"] == days[key][0]
        assert row["reason"]
    told = [(one["period"], one["currency"], Decimal(one["was"]), Decimal(one["is"]), one["reason"]) for one in result["restatements"]]
    kept = acme.ask("SELECT * FROM x_cost_history WHERE net_before IS NOT NULL AND net_after IS NOT NULL")
    assert sorted(told) == sorted((row["period"], row["currency"], row["net_before"], row["net_after"], row["reason"]) for row in kept)
    # of a run that is taken over after its commit the same is asked of the history
    asked = {"provider": "gcp", "run_id": history[0]["pipeline_logging_id"]}
    found = acme.parts.warehouse.query(acme.tenant, (TREE / "configs/system/books/restated_by.sql").read_text(), asked).to_pylist()
    assert len(restated_facts(found)["restatements"]) == len(told)


async def test_two_exports_of_one_account_are_never_added(acme):
    await acme.connect(tables=[standard_table(DOLLARS)])
    await acme.load(*OCTOBER)
    standard = acme.ask("SELECT SUM(cost) AS cost, SUM(credits) AS credits FROM gcp_cost_daily")
    await acme.connect(tables=[detailed_table(DOLLARS)])
    await acme.load(*OCTOBER)

    assert acme.ask("SELECT SUM(cost) AS cost, SUM(credits) AS credits FROM gcp_cost_daily") == standard
    assert len(acme.ask("SELECT DISTINCT source_table FROM gcp_billing_daily_raw")) == 2


async def test_an_account_that_another_credential_reads_better_is_not_loaded(acme):
    inputs = {
        "credential": Secret(acme.parts.sandbox.service_account("demo")),
        "credential_name": "second",
        "settings": {"tables": [standard_table(DOLLARS)]},
    }
    (await acme.parts.executor.run("integrations/gcp/setup", actor=ROOT, tenant=acme.tenant, inputs=inputs)).require()

    assert "reads already" in str((await acme.run(*OCTOBER, credential_name="second")).fault)


async def test_books_that_do_not_close_keep_the_old_window(october, monkeypatch):
    acme, before = october, state(october)
    listed, fetched = BigQueryExport.load_days, BigQueryExport.fetch

    def one_row_more(self, table, since, until):
        days = listed(self, table, since, until)
        return (*days[:-1], replace(days[-1], rows=(days[-1].rows or 0) + 1))

    def what_is_there(self, table, days, into, on_bytes):
        wanted = {one.day for one in days}
        return fetched(self, table, [one for one in listed(self, table, min(wanted), max(wanted)) if one.day in wanted], into, on_bytes)

    monkeypatch.setattr(BigQueryExport, "load_days", one_row_more)
    monkeypatch.setattr(BigQueryExport, "fetch", what_is_there)
    outcome = await acme.run(date(2026, 11, 1), TODAY)

    assert isinstance(outcome.fault, BooksNotClosed)
    assert "and gave" in str(outcome.fault)
    assert state(acme) == before


async def test_a_critical_failure_of_quality_keeps_the_old_window_and_is_recorded(october):
    acme, before = october, state(october)
    suite = acme.parts.settings.configs_dir / "data_quality/expectations/billing_cost_suite.json"
    broken = suite.read_text().replace("^[A-Z]{3}$", "^[A-Z]{4}$")
    configs = acme.parts.settings.data_dir / "configs"
    shutil.copytree(acme.parts.settings.configs_dir, configs)
    (configs / "data_quality/expectations/billing_cost_suite.json").write_text(broken)
    changed = acme.parts.settings.model_copy(update={"configs_dir": configs})
    use_settings(changed)
    outcome = await acme.run(date(2026, 11, 1), date(2026, 11, 10), reload=True)

    assert isinstance(outcome.fault, QualityFailed)
    assert state(acme) == before
    findings = acme.parts.ledger.read(dq.of_run, outcome.run_id)
    assert {(one.table_name, one.column_name) for one in findings if not one.passed and one.severity == "critical"} == {
        ("gcp_billing_daily_raw", "currency"),
    }


async def test_another_account_sees_its_own_bill(bare):
    await bare.connect("second")
    await bare.load(date(2026, 10, 1), date(2026, 10, 5), late_days=0)

    assert bare.ask("SELECT DISTINCT billing_account_id FROM gcp_cost_daily") == [{"billing_account_id": "02C4E6-8A0B1D-3F5A7C"}]


async def test_an_attempt_that_finds_its_publication_answers_from_it_and_loads_nothing(acme):
    """Its worker died between the commit and what it writes in the ledger."""
    config = {**acme.parts.catalog.get("gcp/cost/billing").document.step("load_billing").config, "credential_name": "default"}
    context = StepContext(
        run_id="run",
        step_id="load_billing",
        actor=ROOT,
        services=acme.parts,
        log=structlog.get_logger(),
        tenant=acme.tenant,
        variables={"start_date": OCTOBER[0], "end_date": OCTOBER[0]},
        document_id="gcp/cost/billing",
    )
    first = await BigQueryETLEngine().execute(config, context)
    tracked = acme.parts.ledger.read(tracking.of_org, "acme_corp", first=OCTOBER[0], last=TODAY)
    with acme.parts.ledger.writing() as unit:
        unit.change(unit.tables["org_cost_tracking"].delete())
    again = await BigQueryETLEngine().execute(config, context)

    assert {name: again[name] for name in ("manifest_id", "rows_processed", "totals", "tables", "quality")} == {
        name: first[name] for name in ("manifest_id", "rows_processed", "totals", "tables", "quality")
    }
    assert acme.ask("SELECT COUNT(*) AS n FROM x_load_manifests") == [{"n": 1}]
    kept = acme.parts.ledger.read(tracking.of_org, "acme_corp", first=OCTOBER[0], last=TODAY)
    assert [{**row, "updated_at": None} for row in kept] == [{**row, "updated_at": None} for row in tracked]


async def test_a_day_waits_for_no_load_day_that_holds_nothing_of_it(acme):
    """The sandbox tells what its load days hold, as BigQuery does."""
    await acme.load(date(2026, 10, 28), date(2026, 11, 2))

    known = {
        row["slice_key"]: json.loads(row["holds"])
        for row in acme.ask("SELECT slice_key, holds FROM x_source_slices WHERE holds IS NOT NULL")
    }
    assert min(known) == "2026-11-13"
    used = {date.fromisoformat(one) for told in known.values() for one in told["days"]}
    told = {row["usage_date"]: row["completeness"] for row in acme.ask("SELECT usage_date, completeness FROM x_cost_daily")}
    assert {day for day, word in told.items() if word == "stale"} == {day for day in told if day in used and told[day] != "partial"}
    assert "provisional" in told.values()
