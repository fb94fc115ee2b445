"""Several sources of one organisation, and sources that are odd."""

import csv
import io
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from src.core.base.faults import BooksNotClosed, Conflict, Misconfigured, QualityFailed, Rejected
from src.core.base.settings import get_settings, use_settings
from src.core.costs.tables import table_file
from src.core.step.books.axis import Used
from tests.core.costs.bills import reader
from tests.core.gcp.conftest import TODAY
from tests.core.gcp.handmade import Hand, Restated, connect, load, load_from, row, said
from tests.fakes.billing import Billing


def day(number, month=11):
    return date(2026, month, number)


def days(first, last, month=11):
    return [day(number, month) for number in range(first, last + 1)]


async def test_of_a_load_that_ends_after_its_organisation_is_erased_the_ledger_is_told_nothing(bare: Billing):
    def told():
        with bare.parts.ledger.reading() as unit:
            return [len(unit.rows(unit.tables[name].select())) for name in ("org_cost_tracking", "org_meta_dq_results")]

    load(bare, day(1), day(2), Hand("standard", [row(day(1))]))
    before = told()
    assert all(before)
    bare.tenant = replace(bare.tenant, generation=0)

    load(bare, day(3), day(4), Hand("standard", [row(day(1)), row(day(3))]))

    assert told() == before


async def test_an_export_that_takes_over_leaves_the_days_before_it_whole(bare: Billing):
    standard = Hand("standard", [row(one) for one in days(1, 10)])
    load(bare, day(1), day(10), standard)
    detailed = Hand("detailed", [row(one) for one in days(10, 19)])
    detailed.add(row(day(8), 0.25, written=day(10)), row(day(9), 2.5, written=day(11)))
    load(bare, day(10), day(19), detailed)

    found = {name: cost for name, (cost, _) in said(bare).items()}
    assert found["11-08"] == "100.00"  # written on the 10th, when the older export still told of it
    assert found["11-09"] == "102.50"  # written on the 11th, which only the newer one has
    assert {found[f"11-{number:02}"] for number in (1, 7, 10, 11, 19)} == {"100.00"}


async def test_going_back_to_the_older_export_takes_its_days_back(bare: Billing):
    standard = Hand("standard", [row(one) for one in days(1, 19)])
    load(bare, day(1), day(19), standard)
    load(bare, day(5), day(19), Hand("detailed", [row(one, 99) for one in days(5, 19)]))
    assert said(bare)["11-06"][0] == "99.00"
    load(bare, day(1), day(19), standard)

    assert {cost for cost, _ in said(bare).values() if cost != "0.00"} == {"100.00"}


async def test_what_was_told_at_each_publication_can_still_be_asked(bare: Billing):
    standard, detailed = Hand("standard", [row(one) for one in days(1, 9)]), Hand("detailed", [row(one, 99) for one in days(5, 9)])
    told = {}
    late = row(day(2), 7, written=day(9))
    for export, more in ((standard, ()), (detailed, ()), (standard, ()), (standard, ()), (standard, (late,))):
        export.add(*more)
        published = load(bare, day(1), day(9), export)
        told[published.manifest["published_at"]] = rows_of(bare)

    as_of = """
    SELECT usage_date, source_table, cost, row_count, source_as_of FROM gcp_cost_daily
    WHERE told_since IS NULL OR told_since <= @moment
    UNION ALL
    SELECT usage_date, source_table, cost, row_count, source_as_of FROM gcp_cost_daily_before
    WHERE (told_since IS NULL OR told_since <= @moment) AND told_until > @moment
    ORDER BY usage_date, source_table
    """
    moments = sorted(told)
    assert [bare.ask(as_of, moment=at) for at in moments] == [told[at] for at in moments]
    ended = bare.ask("SELECT told_until, superseded_by, COUNT(*) AS n FROM gcp_cost_daily_before GROUP BY 1, 2 ORDER BY 1")
    # the second load takes over from the 6th, the third takes that back, the fourth changes nothing, the fifth corrects one day
    assert [(one["told_until"], one["n"]) for one in ended] == [(moments[1], 4), (moments[2], 4), (moments[4], 1)]
    runs = {one["published_at"]: one["pipeline_logging_id"] for one in bare.ask("SELECT * FROM x_load_manifests")}
    assert {one["told_until"]: one["superseded_by"] for one in ended}.items() <= runs.items()
    asked = reader(bare.parts.warehouse, bare.tenant)
    served = b"".join(table_file(asked, "gcp_cost_daily_before", day(2), day(6), "csv")).decode()
    assert sorted(one["usage_date"] for one in csv.DictReader(io.StringIO(served))) == ["2026-11-02", "2026-11-06", "2026-11-06"]


def rows_of(bare: Billing) -> list[dict[str, Any]]:
    return bare.ask("SELECT usage_date, source_table, cost, row_count, source_as_of FROM gcp_cost_daily ORDER BY usage_date, source_table")


async def test_the_view_of_an_older_name_keeps_its_columns(bare: Billing):
    load(bare, day(1), day(1), Hand("costs", [row(day(1))]))
    warehouse, tenant = bare.parts.warehouse, bare.tenant

    assert (*warehouse.columns(tenant, "gcp_cost_billing"), "told_since") == warehouse.columns(tenant, "gcp_cost_daily")


async def test_of_one_account_that_two_credentials_read_one_export_counts(bare: Billing):
    standard = Hand("standard", [row(one) for one in days(1, 10)], account="A")
    detailed = Hand("detailed", [row(one) for one in days(1, 10)], kind="detailed", account="A")
    connect(bare, first=[standard])
    load(bare, day(1), day(10), standard)
    connect(bare, second=[detailed])
    load(bare, day(1), day(10), detailed)

    assert {cost for cost, _ in said(bare).values() if cost != "0.00"} == {"100.00"}


PARENT, OWN = "gcp_billing_export_v1_0A_PARENT", "gcp_billing_export_v1_0B_CHILD"
CHILD = "0B-CHILD"


async def test_an_account_in_two_living_exports_is_counted_from_the_one_that_has_its_name(bare: Billing):
    """A reseller's export tells of its customer's account too, which has an export of its own."""
    parent = Hand(PARENT, [row(one, 1, account=account) for one in days(1, 10) for account in ("0A-PARENT", CHILD)])
    own = Hand(OWN, [row(one, 1, account=CHILD) for one in days(1, 10)])
    connect(bare, reseller=[parent], customer=[own])
    load(bare, day(1), TODAY, parent)
    published = load(bare, day(1), TODAY, own)

    assert {cost for cost, _ in said(bare).values() if cost != "0.00"} == {"2.00"}
    assert {"source_table": parent.table.source, "account": CHILD, "counted_from": own.table.source}.items() <= next(
        share.items() for share in published.manifest["shares"] if share.get("counted_from")
    )
    assert bare.ask("SELECT SUM(net_cost) AS net FROM gcp_cost_daily") == [{"net": 20}]


async def test_an_account_in_two_living_exports_that_no_rule_tells_apart_is_refused(bare: Billing):
    one, other = (Hand(name, [row(each, 1) for each in days(1, 3)]) for name in ("team_a", "team_b"))
    with pytest.raises(Conflict, match=r"proj\.ds\.team_a and proj\.ds\.team_b both tell of the account A"):
        load(bare, day(1), day(3), one, other)

    assert bare.ask("SELECT * FROM x_cost_daily") == []


async def test_a_table_of_the_same_name_in_another_project_is_another_source(bare: Billing):
    load(bare, day(1), day(1), Hand("costs", [row(day(1), 100)], "one"), Hand("costs", [row(day(1), 2, account="B")], "two"))

    assert said(bare)["11-01"][0] == "102.00"


async def test_a_day_is_complete_only_when_every_credential_was_read(bare: Billing):
    mine = Hand("mine", [row(one, 100) for one in days(1, 20, 8)])
    other = Hand("other", [row(one, 1, account="B") for one in days(1, 20, 8)])
    connect(bare, first=[mine], second=[other])
    load(bare, day(1, 8), day(5, 8), mine, late_days=0)
    load(bare, day(1, 8), TODAY, other)
    partly = said(bare)
    load(bare, day(1, 8), TODAY, mine)

    assert partly["08-03"] == ("101.00", "partial")  # the load days after it are not read
    assert partly["08-20"] == ("1.00", "partial")
    assert set(said(bare).values()) - {("0.00", "missing")} == {("101.00", "complete")}
    load(bare, day(19), day(19), other)
    assert said(bare)["08-20"] == ("101.00", "complete")


async def test_a_source_that_was_not_looked_at_since_makes_its_days_stale(bare: Billing):
    mine = Hand("mine", [row(one, 100) for one in days(1, 3)])
    other = Hand("other", [row(one, 1, account="B") for one in days(1, 3)])
    connect(bare, first=[mine], second=[other])
    bare.clock.today = day(5)
    load(bare, day(1), day(5), mine)
    load(bare, day(1), day(5), other)
    bare.clock.today = TODAY
    load(bare, day(1), day(19), mine)

    assert said(bare)["11-02"] == ("101.00", "stale")
    assert said(bare)["11-19"][1] == "missing"


async def test_what_was_read_and_was_empty_stays_read(bare: Billing):
    source = Hand("costs", [row(one) for one in (day(31, 8), *days(2, 30, 9), *days(1, 31, 10), *days(1, 19))])
    load(bare, day(1, 9), TODAY, source)
    before = bare.ask("SELECT invoice_month, completeness FROM x_cost_monthly ORDER BY 1")
    load(bare, day(19), day(19), source)

    assert bare.ask("SELECT invoice_month, completeness FROM x_cost_monthly ORDER BY 1") == before
    assert before[0] == {"invoice_month": "202609", "completeness": "complete"}


async def test_how_far_a_run_reads_does_not_say_how_long_rows_are_expected(bare: Billing):
    source = Hand("costs", [row(one) for one in (*days(20, 31, 10), *days(1, 19))])
    load(bare, day(20, 10), TODAY, source)
    load(bare, day(19), day(19), source, late_days=60)

    assert said(bare)["10-31"] == ("100.00", "complete")


async def test_the_first_reading_of_a_load_day_is_no_restatement(bare: Billing):
    source = Hand("costs", [row(one) for one in (*days(1, 31, 10), *days(1, 19))])
    source.add(row(day(9, 10), 5, written=day(12, 10)))
    load(bare, day(1, 10), day(9, 10), source, late_days=0)
    load(bare, day(10, 10), TODAY, source)
    assert bare.ask("SELECT * FROM x_cost_history") == []

    source.add(row(day(9, 10), 7, written=TODAY))
    load(bare, TODAY, TODAY, source)
    told = bare.ask("SELECT period, net_before, net_after, reason FROM x_cost_history WHERE grain = 'day'")
    assert [(one["period"], one["net_before"], one["net_after"]) for one in told] == [("2026-10-09", 105, 112)]
    assert told[0]["reason"].startswith("late rows +7")


async def test_late_rows_are_no_restated_load_day(bare: Billing):
    source = Hand("costs", [row(one) for one in (*days(1, 31, 10), *days(1, 20))])
    source.add(row(day(2, 10), 3, written=day(15)))
    load(bare, day(1, 10), day(31, 10), source, late_days=0)
    load(bare, TODAY, TODAY, source)
    # the rest of a day that was not over when it was read, and a load day that is read for the first time though it was there before
    source.add(row(day(1, 10), 7, written=TODAY))
    bare.clock.today = day(21)
    load(bare, day(1), day(21), source)
    # written to a load day that was over when it was read
    source.add(row(day(3, 10), 5, written=TODAY))
    load(bare, day(1), day(21), source)

    told = bare.ask("SELECT period, reason FROM x_cost_history WHERE grain = 'day' AND period < '2026-11' ORDER BY period")
    assert [(one["period"][-2:], one["reason"].split(" +")[0]) for one in told] == [
        ("01", "late rows"),
        ("02", "late rows"),
        ("03", "restated load day"),
    ]


async def test_a_change_is_told_by_the_kind_of_row_that_brought_it(bare: Billing):
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("correction", {"cost_type": "adjustment"}), ("correction", {"adjustment_info": {"id": "c"}}),
        ("correction", {"adjustment_info": {"type": "PRICE_CORRECTION"}}), ("tax", {"cost_type": "tax"}),
        ("rounding", {"cost_type": "rounding_error"}), ("late rows", {}),
    ]  # fmt: skip
    source = Hand("costs", [row(one) for one in (*days(1, 31, 10), *days(1, 19))])
    load(bare, day(1, 10), TODAY, source)
    source.add(*(row(day(number, 10), -7, written=TODAY, **kind) for number, (_, kind) in enumerate(kinds, start=1)))
    load(bare, TODAY, TODAY, source)

    told = bare.ask("SELECT reason FROM x_cost_history WHERE grain = 'day' ORDER BY period")
    assert [one["reason"].split(" -7")[0] for one in told] == [cause for cause, _ in kinds]


async def test_a_figure_that_is_gone_from_a_day_is_told_no_more(bare: Billing):
    source = Hand("costs", [row(day(1)), row(day(1), 5, currency="USD")])
    load(bare, day(1), day(1), source)
    source.rows.pop()
    load(bare, day(1), day(1), source)

    told = bare.ask("SELECT currency, billed_cost FROM x_cost_daily WHERE usage_date = @day", day=day(1))
    assert told == [{"currency": "EUR", "billed_cost": 100}]


async def test_a_new_account_is_told_as_read_for_the_first_time(bare: Billing):
    mine = Hand("mine", [row(one) for one in (*days(1, 31, 10), *days(1, 19))])
    load(bare, day(1, 10), TODAY, mine)
    other = Hand("other", [row(one, 1, account="B") for one in days(1, 31, 10)])
    load(bare, day(1, 10), TODAY, mine, other)

    assert {row["reason"].split(" +")[0] for row in bare.ask("SELECT reason FROM x_cost_history")} == {"read for the first time"}


@pytest.mark.parametrize("written", ["truncate", "append"])
async def test_books_are_kept_by_slices_that_are_written_anew(bare: Billing, written):
    with pytest.raises(ValidationError, match="overwrite"):
        load(bare, day(1), day(1), Hand("costs", [row(day(1))]), write_mode=written)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"destination_table": "gcp_biling_daily_raw"}, "did you mean 'gcp_billing_daily_raw'"),
        ({"schema_template": "default"}, "not of 'default'"),
    ],
)
async def test_books_are_kept_of_their_own_tables_alone(bare: Billing, wrong, told):
    with pytest.raises(Misconfigured, match=told):
        load(bare, day(1), day(1), Hand("costs", [row(day(1))]), **wrong)


async def test_a_row_outside_the_load_day_it_was_given_for_is_refused(bare: Billing):
    query = yaml.safe_load((bare.parts.settings.configs_dir / "gcp/cost/billing.yml").read_text())["steps"][2]["config"]["source_query"]
    outside = query.replace("COALESCE(load_day, DATE(export_time)) AS ingest_date", "DATE(usage_start_time) AS ingest_date")
    with pytest.raises(Rejected, match="outside the part"):
        load(bare, day(1), day(2), Hand("costs", [row(day(1), written=day(2))]), source_query=outside)


async def test_rows_without_a_cost_do_not_stop_the_bill(bare: Billing):
    source = Hand("costs", [row(day(1), 10), row(day(1), None), row(day(1), None, credits=[{"id": "c", "amount": -3.0}])])
    load(bare, day(1), day(1), source)

    [told] = bare.ask("SELECT billed_cost, credits, net_cost, row_count FROM x_cost_daily WHERE usage_date = @day", day=day(1))
    assert (told["billed_cost"], told["credits"], told["net_cost"], told["row_count"]) == (10, -3, 7, 3)


@pytest.mark.parametrize(
    ("odd", "names"),
    [
        ({"currency": None}, "currency"),
        ({"currency": "euro"}, "currency"),
        ({"invoice": {"month": "202613"}}, "invoice.month"),
        ({"invoice": {"month": ""}}, "invoice.month"),
    ],
)
async def test_what_cannot_be_booked_is_named_by_the_suite(bare: Billing, odd, names):
    load(bare, day(1), day(1), Hand("costs", [row(day(1))]))
    with pytest.raises(QualityFailed) as told:
        load(bare, day(2), day(2), Hand("costs", [row(day(2)), row(day(2), **odd)]))

    assert names in {flaw.field for flaw in told.value.flaws}
    assert said(bare)["11-01"][0] == "100.00"


async def test_a_use_at_the_end_of_the_calendar_is_kept(bare: Billing):
    load(bare, day(1), day(1), Hand("costs", [row(day(1)), row(date(9999, 12, 31), 5, written=day(1), invoice={"month": "202611"})]))

    assert said(bare)["12-31"][0] == "5.00"


async def test_rows_without_project_time_or_invoice_are_counted(bare: Billing):
    source = Hand("costs", [row(day(1), 3, usage_start_time=None, invoice=None, credits=None, account=""), row(day(1), 4)])
    load(bare, day(1), day(1), source)

    assert said(bare)["11-01"][0] == "7.00"


async def test_the_figures_of_a_day_keep_the_run_that_said_them_first(bare: Billing):
    source = Hand("costs", [row(one) for one in days(1, 3)])
    load(bare, day(1), day(3), source)
    [first] = bare.ask("SELECT DISTINCT pipeline_logging_id, published_at FROM x_cost_daily WHERE usage_date = @day", day=day(1))
    bare.clock.today = TODAY + timedelta(40)
    load(bare, day(1), bare.clock.today, source)

    assert bare.ask("SELECT DISTINCT pipeline_logging_id, published_at FROM x_cost_daily WHERE usage_date = @day", day=day(1)) == [first]
    assert said(bare)["11-01"] == ("100.00", "complete")


async def test_daily_rows_that_lose_a_raw_row_are_not_published(bare: Billing):
    load(bare, day(1), day(1), Hand("costs", [row(day(1))]))
    configs = bare.parts.settings.data_dir / "configs"
    shutil.copytree(bare.parts.settings.configs_dir, configs)
    fill = configs / "gcp/cost/books/fill.sql"
    fill.write_text(fill.read_text().replace("FROM {rows}", "FROM {rows} WHERE cost_type <> 'tax'"))
    use_settings(bare.parts.settings.model_copy(update={"configs_dir": configs}))
    with pytest.raises(BooksNotClosed, match="do not come to what their rows do"):
        load(bare, day(2), day(2), Hand("costs", [row(day(1)), row(day(2)), row(day(2), 5, cost_type="tax")]))

    assert said(bare)["11-01"][0] == "100.00"
    assert "11-02" not in said(bare)


def test_a_day_that_its_source_restates_is_whole_once_it_was_read_again(bare: Billing):
    nineteenth, axis = day(19), Used(restates=3)
    source = Restated("usage", [row(nineteenth, 3.69)])
    load_from(bare, nineteenth, nineteenth, source, axis=axis)
    assert said(bare)["11-19"] == ("3.69", "provisional")

    source.rows += [row(nineteenth, 3.69), *(row(day(number, 12)) for number in range(17, 25))]
    bare.clock.today = date(2026, 12, 25)
    load_from(bare, day(20, 12), day(24, 12), source, axis=axis)
    assert said(bare)["11-19"] == ("3.69", "stale")
    assert said(bare)["12-20"] == ("100.00", "complete")
    [told] = bare.ask("SELECT completeness_reason AS why FROM x_cost_daily WHERE usage_date = @day", day=nineteenth)
    assert told["why"] == (
        "usage was last looked at on 2026-11-20, and more may have come since; run the pipeline from 2026-11-19 to 2026-11-19: "
        'POST /api/v1/pipelines/run/acme_corp/gcp/cost/billing {"start_date": "2026-11-19", "end_date": "2026-11-19"}'
    )

    load_from(bare, nineteenth, nineteenth, source, axis=axis)
    assert said(bare)["11-19"] == ("7.38", "complete")
    [restated] = bare.ask("SELECT billed_before, billed_after FROM x_cost_history WHERE grain = 'day'")
    assert (restated["billed_before"], restated["billed_after"]) == (Decimal("3.69"), Decimal("7.38"))


def test_a_processor_asks_for_the_settings_that_the_service_runs_with(bare: Billing):
    """Else one written after the how-to would send a real key from the sandbox to the real provider."""
    assert bare.parts.sandbox is not None
    assert get_settings() is bare.parts.settings
    assert get_settings().gcp_token_url.startswith(bare.parts.sandbox.address)


async def test_what_was_before_an_export_began_is_unknown_and_not_nothing(bare: Billing):
    """It was switched on on 20 October, and brings late rows of the days before."""
    switched_on = Hand("costs", [row(one, 1) for one in (*days(20, 31, 10), *days(1, 19))])
    switched_on.add(row(day(18, 10), 0.25, written=day(20, 10)))
    load(bare, day(1, 10), TODAY, switched_on)

    assert said(bare)["10-18"] == ("0.25", "partial")
    assert said(bare)["10-20"] == ("1.00", "complete")
    told = {one["invoice_month"]: one for one in bare.ask("SELECT * FROM x_cost_monthly")}
    assert told["202610"]["completeness"] == "partial"
    assert told["202610"]["completeness_reason"] == (
        "proj.ds.costs begins on 2026-10-20, and nobody knows what was before; no run can bring it"
    )
    load(bare, day(19), TODAY, switched_on)
    assert said(bare)["10-18"][1] == "partial"


async def test_a_quiet_day_before_the_first_that_is_read_is_known(bare: Billing):
    source = Hand("costs", [row(day(30, 9)), *(row(one) for one in (*days(3, 31, 10), *days(1, 19)))])
    load(bare, day(1, 10), TODAY, source)

    assert {one["completeness"] for one in bare.ask("SELECT * FROM x_cost_monthly WHERE invoice_month = '202610'")} == {"complete"}


async def test_an_export_that_takes_the_place_of_a_shorter_one_tells_of_no_more_than_both(bare: Billing):
    """The detailed one was switched on beside it, and the days before it are those that were read of the standard one."""
    standard = Hand("standard", [row(one, 1) for one in (*days(1, 31, 10), *days(1, 19))], account="A")
    detailed = Hand("detailed", [row(one, 1) for one in (*days(20, 31, 10), *days(1, 19))], kind="detailed", account="A")
    connect(bare, first=[standard])
    bare.clock.today = day(26, 10)
    load(bare, day(1, 10), day(25, 10), standard)
    connect(bare, first=[detailed])
    bare.clock.today = TODAY
    load(bare, day(1, 10), TODAY, detailed)

    assert said(bare)["10-05"] == ("1.00", "complete")
    assert [(one["net_cost"], one["completeness"]) for one in bare.ask("SELECT * FROM x_cost_monthly ORDER BY invoice_month")] == [
        (31, "complete"),
        (19, "provisional"),
    ]


@pytest.mark.parametrize("read_until", [None, day(12, 10)])
async def test_what_was_not_read_of_the_shorter_export_is_unknown(bare: Billing, read_until: date | None):
    standard = Hand("standard", [row(one, 1) for one in (*days(1, 31, 10), *days(1, 19))], account="A")
    detailed = Hand("detailed", [row(one, 1) for one in (*days(20, 31, 10), *days(1, 19))], kind="detailed", account="A")
    if read_until:
        connect(bare, first=[standard])
        bare.clock.today = read_until + timedelta(1)
        load(bare, day(1, 10), read_until, standard, late_days=0)
    connect(bare, first=[detailed])
    bare.clock.today = TODAY
    load(bare, day(1, 10), TODAY, detailed)

    assert said(bare)["10-05"][1] in ("partial", "missing")
    assert said(bare)["10-25"] == ("1.00", "complete")
    assert bare.ask("SELECT completeness FROM x_cost_monthly WHERE invoice_month = '202610'") == [{"completeness": "partial"}]


async def test_of_the_day_on_which_an_export_was_switched_on_a_part_is_unknown(bare: Billing):
    switched_on = Hand("costs", [row(one, 1) for one in (*days(20, 31, 10), *days(1, 19))], created=datetime(2026, 10, 20, 14, tzinfo=UTC))
    load(bare, day(20, 10), TODAY, switched_on)
    told = said(bare)
    assert (told["10-20"], told["10-21"]) == (("1.00", "partial"), ("1.00", "complete"))
    [one] = bare.ask("SELECT completeness_reason AS why FROM x_cost_daily WHERE usage_date = @day", day=day(20, 10))
    assert one["why"] == "proj.ds.costs begins during 2026-10-20, and nobody knows what was before; no run can bring it"
    assert bare.ask("SELECT completeness FROM x_cost_monthly WHERE invoice_month = '202610'") == [{"completeness": "partial"}]


async def test_an_export_that_is_filled_with_what_was_used_before_it_was_made_is_whole_when_that_is_over(bare: Billing):
    """As of a dataset in a whole continent: all since the month before, within five days."""
    made, filled = datetime(2026, 11, 10, 14, tzinfo=UTC), (*days(1, 31, 10), *days(1, 9))
    export = Hand("costs", [row(one, 1, written=day(11)) for one in filled] + [row(one, 1) for one in days(10, 14)], created=made)
    bare.clock.today = day(14)
    load(bare, day(1, 10), day(14), export)
    assert said(bare)["10-20"] == ("1.00", "partial")
    bare.clock.today = day(16)
    load(bare, day(10), day(16), export.add(row(day(15), 1)))

    assert {said(bare)[name][1] for name in ("10-20", "10-31")} == {"complete"}
    assert said(bare)["11-10"][1] == "provisional"


@pytest.mark.parametrize("filled", [days(1, 31, 10), days(25, 31, 10)])
async def test_what_a_newer_export_is_filled_with_counts_once_beside_the_older(bare: Billing, filled: list[date]):
    """Also while it is being filled, when nobody knows whether it will be."""
    older = Hand("standard", [row(one, 1) for one in (*days(1, 31, 10), *days(1, 6))], account="A")
    connect(bare, first=[older])
    bare.clock.today = day(6)
    load(bare, day(1, 10), day(6), older)
    newer = Hand("detailed", [row(one, 1, written=day(7)) for one in (*filled, *days(1, 6))], kind="detailed", account="A")
    newer.created = datetime(2026, 11, 6, 20, tzinfo=UTC)
    connect(bare, first=[newer])
    for at in (7, 8, 12):
        bare.clock.today = day(at)
        load(bare, day(1, 10), day(at), newer.add(row(day(at), 1)))
        told = said(bare)
        assert {told[name][0] for name in ("10-05", "10-28", "11-05")} == {"1.00"}
        assert told["10-28"][1] == ("complete" if at > 11 else "partial")


@pytest.mark.parametrize("told", ["a", "ab"])
def test_what_a_newer_export_tells_in_part_of_what_the_older_told_is_never_whole(bare: Billing, told: str):
    """Neither where it counts beside the older one, nor where it takes its place."""
    used = (*days(1, 31, 10), *days(1, 6))

    def of(one: date, name: str, written: date | None = None) -> dict[str, Any]:
        return row(one, 1, written=written, service={"id": name, "description": name})

    older = Hand("standard", [of(one, name) for one in used for name in "abc"], account="A")
    connect(bare, first=[older])
    bare.clock.today = day(6)
    load(bare, day(1, 10), day(6), older)
    newer = Hand("detailed", [of(one, name, day(7)) for one in used for name in told], kind="detailed", account="A")
    newer.created = datetime(2026, 11, 6, 20, tzinfo=UTC)
    connect(bare, first=[newer])
    for at in (date(2026, 11, 12), date(2027, 1, 20)):
        bare.clock.today = at
        load(bare, day(1, 10), at, newer.add(row(day(at.day), 1)))
        assert {said(bare)[name][1] for name in ("10-05", "10-28", "11-05")} == {"partial"}
    [one] = bare.ask("SELECT completeness_reason AS why FROM x_cost_daily WHERE usage_date = @day", day=day(5, 10))
    days_told = "2026-10-01 to 2026-11-05: a part may lack or count twice"
    assert one["why"] == f"proj.ds.detailed tells in part what a table before it told of {days_told}; no run can bring it"
    assert bare.ask("SELECT completeness FROM x_cost_monthly WHERE invoice_month = '202610'") == [{"completeness": "partial"}]


async def test_a_load_day_that_is_gone_before_it_was_read_is_not_forgotten(bare: Billing):
    source = Hand("costs", [row(one, 1) for one in (*days(1, 31, 10), *days(1, 19))])
    load(bare, day(1, 10), day(10, 10), source, late_days=0)
    source.rows = [one for one in source.rows if one["export_time"].date() != day(23, 10)]
    load(bare, day(1, 10), TODAY, source)

    told = said(bare)
    assert (told["10-12"][1], told["10-13"][1], told["10-24"][1]) == ("complete", "partial", "complete")
    assert bare.ask("SELECT completeness FROM x_cost_monthly WHERE invoice_month = '202610'") == [{"completeness": "partial"}]
