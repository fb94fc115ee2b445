"""Each trap a bill may hold is found by the suite it is judged by."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from src.core.base.schema import TableSchema
from src.core.base.settings import ROOT
from src.core.step.quality.judge import judge
from src.core.step.quality.suite import load_suite

DAILY = TableSchema.load(ROOT / "configs/gcp/cost/schemas/gcp_cost_daily.json")
SUITE = load_suite(ROOT / "configs/data_quality/expectations/billing_cost_suite.json")
NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
LINE = {
    "usage_date": date(2026, 11, 19),
    "invoice_month": "202611",
    "source_table": "billing.export",
    "project_id": "shop",
    "service": "Compute Engine",
    "sku_id": "ABCD",
    "cost_type": "regular",
    "currency": "EUR",
    "cost": Decimal("1.264"),
    "credits": Decimal("-0.2528"),
    "net_cost": Decimal("1.0112"),
    "row_count": 1,
} | ({"source_as_of": datetime(2026, 11, 20, tzinfo=UTC)} if "source_as_of" in DAILY.columns else {})
GRAIN = ", ".join(next(one for one in SUITE.expectations if one.type == "expect_compound_columns_to_be_unique").kwargs["column_list"])
TAX = {**LINE, "project_id": None, "cost_type": "tax", "sku_id": "TAX"}


def failed(bench, lines):
    bench.warehouse.ensure_table(bench.tenant, DAILY)
    with bench.written(lines, DAILY) as publication:
        verdict = judge(
            publication, SUITE, table=DAILY, part={"usage_date": [date(2026, 11, 18), date(2026, 11, 19), date(2026, 12, 1)]}, now=NOW
        )
    assert publication.queries == 1
    return [(finding.severity, finding.column or finding.type) for finding in verdict.failed]


def test_a_right_bill_passes(bench):
    assert failed(bench, [LINE, TAX]) == []


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([], [("critical", "expect_table_row_count_to_be_between"), ("info", "usage_date")]),
        (
            [LINE, LINE],
            [
                (
                    "critical",
                    GRAIN,
                )
            ],
        ),
        ([{**LINE, "currency": "eur"}], [("critical", "currency")]),
        ([{**LINE, "net_cost": Decimal("1.011200001")}], [("critical", "net_cost")]),
        ([{**LINE, "invoice_month": "2026-11"}], [("critical", "invoice_month")]),
        ([{**LINE, "invoice_month": None}], [("warning", "invoice_month")]),
        ([{**LINE, "row_count": 0}], [("critical", "row_count")]),
        ([{**LINE, "service": None}], [("warning", "service")]),
        ([{**LINE, "cost_type": "subsidy"}], [("warning", "cost_type")]),
        ([{**LINE, "credits": Decimal("0.1"), "net_cost": Decimal("1.364")}], [("warning", "credits")]),
        ([{**LINE, "usage_date": date(2026, 12, 1)}], [("warning", "usage_date")]),
        ([{**LINE, "usage_date": date(2026, 11, 18)}, {**LINE, "usage_date": date(2026, 11, 1)}], []),
        ([LINE, TAX, {**TAX, "sku_id": "TAX 2"}], [("info", "project_id")]),
    ],
)
def test_a_wrong_bill_is_found(bench, lines, found):
    assert failed(bench, lines) == found
