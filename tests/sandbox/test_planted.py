"""What docs/reference/sandbox.md says is planted is there, on the days it names."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.sandbox.conftest import EURO, STANDARD, TODAY
from tests.sandbox.recount import numeric, read

DAY = timedelta(days=1)


@pytest.fixture
def day(export, tmp_path):
    def rows(when: date, table: str = STANDARD):
        return list(read(export.fetch(table, export.load_days(table, when, when), tmp_path, lambda _: None)))

    return rows


def test_an_ordinary_day(day):
    rows = day(date(2026, 10, 20))

    assert 300 <= len(rows) <= 500
    assert {len(row["credits"]) for row in rows} == {0, 1, 3}
    assert all(credit["amount"] <= 0 for row in rows for credit in row["credits"])
    assert max(row["export_time"] for row in rows) == datetime(2026, 10, 20, 23, 59, 57, tzinfo=UTC)
    costs = {row["cost"] for row in rows}
    assert {0.1 + 0.2, 2.0**-10} <= costs
    assert any(0 < cost < 1e-6 for cost in costs)
    assert any(numeric(cost) != numeric(round(cost, 6)) for cost in costs)


def test_every_type_of_credit_is_there(day):
    types = {credit["type"] for row in day(date(2026, 10, 20)) for credit in row["credits"]}

    assert types == {
        "SUSTAINED_USAGE_DISCOUNT",
        "COMMITTED_USAGE_DISCOUNT",
        "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE",
        "FEE_UTILIZATION_OFFSET",
        "DISCOUNT",
        "FREE_TIER",
        "PROMOTION",
        "RESELLER_MARGIN",
        "SUBSCRIPTION_BENEFIT",
    }


def test_two_rows_are_alike_in_every_column(day):
    counted = Counter(repr(row) for row in day(date(2026, 10, 20)))

    assert sorted(counted.values())[-2:] == [1, 2]


def test_three_namespaces_of_labels_disagree(day):
    said = {
        name: {pair["value"] for pair in pairs if pair["key"] == "env"}
        for row in day(date(2026, 10, 20))
        if row["labels"] and row["tags"] and row["project"]
        for name, pairs in (("labels", row["labels"]), ("project", row["project"]["labels"]), ("tags", row["tags"]))
    }

    assert all(said[name] for name in ("labels", "project", "tags"))


def test_a_partner_a_span_over_midnight_and_no_project(day):
    rows = day(date(2026, 10, 20))

    (partner,) = [row for row in rows if row["transaction_type"] == "THIRD_PARTY_RESELLER"]
    assert partner["seller_name"]
    assert partner["invoice"]["publisher_type"] == "PARTNER"
    (span,) = [row for row in rows if row["service"]["description"] == "Cloud Composer"]
    assert (span["usage_start_time"].date(), span["usage_end_time"].date()) == (date(2026, 10, 19), date(2026, 10, 20))
    assert [row["service"]["description"] for row in rows if row["project"] is None] == ["Support"]


def months(rows, used):
    return {row["invoice"]["month"] for row in rows if row["usage_start_time"].date() == used and row["cost_type"] == "regular"}


def test_usage_of_october_crosses_into_november(day):
    assert months(day(date(2026, 11, 2)), date(2026, 10, 31)) == {"202610"}
    assert months(day(date(2026, 11, 5)), date(2026, 10, 30)) == {"202611"}
    first_hours = [row for row in day(date(2026, 11, 1)) if row["usage_start_time"] == datetime(2026, 11, 1, 5, tzinfo=UTC)]
    assert {row["invoice"]["month"] for row in first_hours} == {"202610"}


def test_late_rows_are_up_to_six_days_late(day):
    late = {(row["export_time"].date() - row["usage_start_time"].date()).days for row in day(date(2026, 10, 20))}

    assert late == {0, 1, 2, 3, 6}


def test_a_month_ends_with_taxes_adjustments_and_rounding(day):
    found = {
        number: Counter(row["cost_type"] for row in day(date(2026, 11, number)) if row["cost_type"] != "regular") for number in range(1, 8)
    }

    assert found == {
        1: {},
        2: {"tax": 3},
        3: {"tax": 3},
        4: {"adjustment": 2},
        5: {"tax": 3, "rounding_error": 2},
        6: {},
        7: {},
    }
    closing = [row for row in day(date(2026, 11, 5)) if row["cost_type"] != "regular"]
    assert {row["invoice"]["month"] for row in closing} == {"202610"}
    assert all(row["project"] is None for row in closing)


def test_a_correction_takes_back_what_was_charged_and_charges_anew(day):
    rows = [row for row in day(date(2026, 10, 15)) if row["adjustment_info"]]
    back = [row for row in rows if row["adjustment_info"]["type"] == "USAGE_CORRECTION" and row["usage"]["amount"] < 0]
    charged = [(row["cost"], row["sku"]["id"], row["usage_start_time"]) for row in day(date(2026, 10, 15) - 70 * DAY)]

    assert len(rows) == 13
    assert len(back) == 6
    assert all((-row["cost"], row["sku"]["id"], row["usage_start_time"]) in charged for row in back)
    assert {row["invoice"]["month"] for row in rows} == {"202610"}
    assert any(credit["amount"] > 0 for row in back for credit in row["credits"])
    assert [row["cost"] for row in rows if row["cost_type"] == "adjustment"] == [-4.567891234]


def test_euros_have_a_rate_that_changes_by_the_month(day):
    rates = {(row["invoice"]["month"], row["currency_conversion_rate"]) for when in (20, 25) for row in day(date(2026, 10, when), EURO)}
    rates |= {(row["invoice"]["month"], row["currency_conversion_rate"]) for row in day(date(2026, 9, 20), EURO)}

    assert sorted(month for month, _ in rates) == ["202609", "202610"]
    assert len({rate for _, rate in rates}) == 2
    assert {row["currency_conversion_rate"] for row in day(date(2026, 10, 20))} == {1.0}


def test_list_costs_are_missing_on_old_rows(day):
    assert {row["cost_at_list"] for row in day(date(2025, 2, 10))} == {None}
    assert sum(row["cost_at_list"] is None for row in day(TODAY - 9 * DAY)) < 20


def test_the_first_day_has_no_usage_before_it(day):
    rows = day(date(2025, 1, 1))

    assert min(row["usage_start_time"] for row in rows) == datetime(2025, 1, 1, tzinfo=UTC)
