"""The one compiled scan says of any table what plain Python says row by row."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.step.quality import naive
from tests.core.step.quality.tables import DAYS, TABLES

PARTS: st.SearchStrategy[dict[str, object]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"day": st.sampled_from([*DAYS, None])}),
    st.fixed_dictionaries({"day": st.lists(st.sampled_from(DAYS), max_size=4)}),
    st.fixed_dictionaries({"day": st.just(DAYS[1:3]), "month": st.sampled_from([["202611", "2026-11"], "202611"])}),
)


def within(row, part):
    return all(row[name] in value if isinstance(value, list) and value != [None] else row[name] == value for name, value in part.items())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=TABLES, part=PARTS)
def test_the_scan_agrees_with_plain_python(bench, wide, rows, part):
    verdict = bench.judge(wide, rows, part=part)

    looked_at = [row for row in rows if within(row, part)]
    expected = {one.index: naive.holds(one.type, one.kwargs, looked_at, rows) for one in wide.expectations}
    assert {one.expectation_index: (one.passed, one.rows_judged, one.rows_failing) for one in verdict.results} == expected


LOW, HIGH, SHARE, SOME_DAYS = ({"$PARAMETER": name} for name in ("low", "high", "share", "days"))
DRAWN: list[tuple[str, dict[str, object]]] = [
    ("expect_column_values_to_not_be_null", {"column": "service.rank", "mostly": SHARE}),
    ("expect_column_values_to_be_between", {"column": "cost", "min_value": LOW, "max_value": HIGH, "mostly": SHARE}),
    ("expect_column_values_to_be_between", {"column": "rows", "min_value": LOW, "max_value": HIGH, "strict_min": True, "strict_max": True}),
    ("expect_column_values_to_be_in_set", {"column": "day", "value_set": SOME_DAYS, "mostly": SHARE}),
    ("expect_column_values_to_not_be_in_set", {"column": "day", "value_set": SOME_DAYS, "mostly": SHARE}),
    ("expect_column_values_to_be_unique", {"column": "day", "mostly": SHARE}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["day", "paid"], "mostly": SHARE}),
    ("expect_column_sum_to_be_between", {"column": "cost", "min_value": LOW, "max_value": HIGH}),
    ("expect_column_min_to_be_between", {"column": "net", "min_value": LOW, "max_value": HIGH, "strict_min": True}),
    ("expect_column_max_to_be_between", {"column": "rows", "min_value": LOW, "max_value": HIGH, "strict_max": True}),
]
BOUNDS = st.one_of(st.integers(-2, 2), st.decimals(-3, 3, places=9), st.sampled_from([2**63 - 1, -(2**63), Decimal(10) ** 20]))
VALUES = st.fixed_dictionaries(
    {
        "low": BOUNDS,
        "high": BOUNDS,
        "share": st.one_of(
            st.sampled_from([0, 1]), st.decimals(0, 1, places=2), st.sampled_from([1, 2, 3]).map(lambda third: Decimal(third) / 4)
        ),
        "days": st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True),
    }
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=TABLES, values=VALUES)
def test_the_scan_agrees_whatever_is_asked(bench, suite_of, rows, values):
    suite = suite_of(*({"type": kind, "kwargs": kwargs} for kind, kwargs in DRAWN))

    verdict = bench.judge(suite, rows, values=values)

    for finding, (kind, kwargs) in zip(verdict.results, DRAWN, strict=True):
        filled = {key: values[value["$PARAMETER"]] if isinstance(value, dict) else value for key, value in kwargs.items()}
        expected = naive.holds(kind, filled, rows, rows)
        assert (finding.passed, finding.rows_judged, finding.rows_failing) == expected, (kind, filled)


@pytest.mark.parametrize("share", ["0.9", "0.90000000000000000001", "0.8999999999999999999"])
def test_mostly_is_exact(bench, suite_of, share):
    suite = suite_of({"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "cost", "mostly": Decimal(share)}})
    rows = [{"cost": Decimal(1) if number else None, "day": date(2026, 11, 1)} for number in range(10)]

    (finding,) = bench.judge(suite, rows).results

    assert finding.passed == (Decimal(share) <= Decimal("0.9"))
