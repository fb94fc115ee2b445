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


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=TABLES, part=PARTS)
def test_the_scan_agrees_with_plain_python(bench, wide, rows, part):
    verdict = bench.judge(wide, rows, part=part)

    looked_at = [row for row in rows if within(row, part)]
    expected = {one.index: naive.holds(one, looked_at, rows) for one in wide.expectations}
    assert {one.expectation_index: (one.passed, one.rows_judged, one.rows_failing) for one in verdict.results} == expected


@pytest.mark.parametrize("share", ["0.9", "0.90000000000000000001", "0.8999999999999999999"])
def test_mostly_is_exact(bench, suite_of, share):
    suite = suite_of({"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "cost", "mostly": Decimal(share)}})
    rows = [{"cost": Decimal(1) if number else None, "day": date(2026, 11, 1)} for number in range(10)]

    (finding,) = bench.judge(suite, rows).results

    assert finding.passed == (Decimal(share) <= Decimal("0.9"))
