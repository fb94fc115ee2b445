"""Suites are read in both of Great Expectations' shapes, and refused with the place of what is wrong in them."""

import json
from decimal import Decimal

import pytest

from src.core.base.faults import Misconfigured
from src.core.base.schema import Field, TableSchema
from src.core.base.settings import ROOT
from src.core.step.quality.forms import BOOKKEEPING, FORMS
from src.core.step.quality.judge import AGE, BUILDERS, check_suite
from src.core.step.quality.suite import load_suite
from tests.core.step.quality.conftest import WIDE
from tests.core.step.quality.tables import LINES

BILLING = ROOT / "configs/data_quality/expectations/billing_cost_suite.json"


def flaws(raised):
    return [str(flaw) for flaw in raised.value.flaws]


def refused(suite_of, expectation):
    with pytest.raises(Misconfigured) as raised:
        check_suite(suite_of(expectation, meta={"table": "lines"}), {"lines": LINES})
    return "\n".join(flaws(raised))


def test_both_generations_mean_the_same(suite_of):
    new = suite_of({"type": "expect_column_to_exist", "kwargs": {"column": "day"}, "severity": "warning"})
    old = suite_of({"expectation_type": "expect_column_to_exist", "kwargs": {"column": "day"}, "meta": {"severity": "warning"}})

    assert new.expectations == old.expectations
    assert new.expectations[0].severity == "warning"


def test_an_expectation_that_says_no_severity_is_critical(suite_of):
    assert suite_of({"type": "expect_column_to_exist", "kwargs": {"column": "day"}}).expectations[0].severity == "critical"


def test_numbers_are_read_as_they_are_written(suite_of):
    wanted = Decimal("12345678901234567890.123456789")
    suite = suite_of({"type": "expect_column_sum_to_be_between", "kwargs": {"column": "cost", "max_value": wanted}})

    assert suite.expectations[0].kwargs["max_value"] == wanted


def test_every_expectation_is_read_and_compiled():
    assert set(FORMS) == {*BUILDERS, AGE}
    asked = {one.type for one in load_suite(WIDE).expectations}
    assert set(FORMS) - asked == {"expect_table_columns_to_match_set", "expect_column_to_exist"}


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        ({"type": "expect_column_values_to_be_nul", "kwargs": {"column": "day"}}, "did you mean 'expect_column_values_to_be_null'?"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"colunm": "day"}}, "takes no `colunm`; did you mean 'column'?"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {}}, "expect_column_values_to_be_null needs `column`"),
        ({"type": "expect_column_values_to_be_between", "kwargs": {"column": "cost"}}, "needs one of min_value, max_value"),
        (
            {"type": "expect_column_values_to_be_null", "kwargs": {"column": "credit"}},
            "lines has no column 'credit'; did you mean 'credits'?",
        ),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"column": "service.rnk"}}, "did you mean 'rank'?"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"column": "a; DROP"}}, "the name of a column"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"column": "tags"}}, "is repeated"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"column": "day", "mostly": 1.01}}, "a number from 0 to 1"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"column": "day", "mostly": "1"}}, "a number from 0 to 1"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"column": "day", "mostly": True}}, "a number from 0 to 1"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"column": "day", "row_condition": "cost > 0"}}, "not SQL here"),
        (
            {
                "type": "expect_column_values_to_be_null",
                "kwargs": {"column": "day", "row_condition": {"column": "x", "in": [1], "equals": 1}},
            },
            "one of `in`, `equals`, `not_null`",
        ),
        ({"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "day", "value_set": []}}, "a list of texts or numbers"),
        ({"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "cost", "value_set": ["1"]}}, "'1' is not a number"),
        ({"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "month", "value_set": [202611]}}, "202611 is not a text"),
        ({"type": "expect_column_values_to_be_between", "kwargs": {"column": "day", "min_value": "soon"}}, "Invalid isoformat string"),
        ({"type": "expect_column_values_to_be_between", "kwargs": {"column": "seen", "min_value": "2026-11-01"}}, "lacks its time zone"),
        ({"type": "expect_column_values_to_be_between", "kwargs": {"column": "cost", "min_value": Decimal("0.0000000001")}}, "more digits"),
        ({"type": "expect_column_values_to_be_between", "kwargs": {"column": "service", "min_value": 1}}, "service is STRUCT"),
        ({"type": "expect_column_values_to_match_regex", "kwargs": {"column": "month", "regex": "("}}, "not a regular expression"),
        ({"type": "expect_column_values_to_match_regex", "kwargs": {"column": "month", "regex": "a(?=b)"}}, "RE2 has no look-around"),
        ({"type": "expect_column_values_to_match_regex", "kwargs": {"column": "month", "regex": "(a)\\1"}}, "RE2 has no look-around"),
        ({"type": "expect_column_values_to_match_regex", "kwargs": {"column": "cost", "regex": "a"}}, "cost is NUMERIC, and STRING"),
        ({"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["day"]}}, "at least two different columns"),
        (
            {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["day", "cost"], "ignore_row_if": "never"}},
            "all_values_are_missing, any_value_is_missing",
        ),
        ({"type": "expect_column_pair_values_to_be_equal", "kwargs": {"column_A": "day", "column_B": "cost"}}, "types DATE, NUMERIC"),
        ({"type": "expect_column_sum_to_be_between", "kwargs": {"column": "day", "max_value": 1}}, "day is DATE"),
        ({"type": "expect_column_max_age_to_be_between", "kwargs": {"column": "month", "max_value": 1}}, "month is STRING"),
        (
            {"type": "expect_column_max_age_to_be_between", "kwargs": {"column": "nope", "max_value": {"$PARAMETER": "n"}}},
            "no column 'nope'",
        ),
        ({"type": "expect_table_row_count_to_equal", "kwargs": {"value": -1}}, "a whole number"),
        ({"type": "expect_table_row_count_to_equal", "kwargs": {"value": {"$PARAMETER": "a + 1"}}}, "a parameter is"),
        ({"type": "expect_column_to_exist", "kwargs": {"column": "day"}, "severity": "fatal"}, "severity"),
        ({"type": "expect_column_to_exist", "kwargs": {"column": "day"}, "meta": {"severity": "fatal"}}, "critical, warning, info"),
        ({"type": "expect_column_to_exist", "kwargs": {"column": "day"}, "sevrity": "info"}, "did you mean 'severity'?"),
        ({"type": "expect_column_to_exist", "kwargs": {"column": "day"}, "meta": {"table": "line"}}, "did you mean 'lines'?"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(suite_of, expectation, said):
    message = refused(suite_of, expectation)

    assert said in message
    assert message.startswith("suite.json:")
    assert "expectations[0]" in message


@pytest.mark.parametrize("pattern", ["[*+]+", "a\\\\1", "x{2}", "[]+*]a", "(?i)eur", "\\d+\\.\\d*", "(?P<word>[a-z])", "[\\]*+]"])
def test_a_pattern_that_re2_knows_is_taken(bench, suite_of, pattern):
    suite = suite_of({"type": "expect_column_values_to_match_regex", "kwargs": {"column": "month", "regex": pattern}})

    assert not bench.judge(suite, [{"month": "~"}]).results[0].passed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expecting value"),
        ("[]", "a suite is a mapping"),
        ('{"name": "a"}', "'expectations' is needed"),
        ('{"expectations": []}', "a suite has a `name`"),
        ('{"name": "a", "name": "b", "expectations": []}', "stands twice"),
        ('{"name": "a", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a", "column": "b"}}]}', "stands twice"),
        ('{"name": "a", "expectations": [],}', "Illegal trailing comma|Expecting property name"),
        ('{"name": "a", "expectations": [{"type": "x", "kwargs": {"mostly": NaN}}]}', "NaN is not JSON"),
        ('{"name": "a", "expectations": [[]]}', "a mapping"),
        ('{"name": "a", "expectations": [{"kwargs": null}]}', "mapping|dictionary"),
    ],
)
def test_a_file_that_is_no_suite_is_refused(tmp_path, text, said):
    path = tmp_path / "suite.json"
    path.write_text(text)

    with pytest.raises(Misconfigured, match=said):
        load_suite(path)


def test_the_billing_suite_fits_its_tables():
    daily = TableSchema.load(ROOT / "configs/gcp/cost/schemas/gcp_cost_daily.json")
    raw = TableSchema(name="gcp_billing_daily_raw", fields=load_raw())

    check_suite(load_suite(BILLING), {"gcp_cost_daily": daily, "gcp_billing_daily_raw": raw})


def load_raw():
    template = json.loads((ROOT / "configs/gcp/bq_etl/schema_template.json").read_text())["billing_cost"]
    return tuple(Field.parse(column, "schema_template.json") for column in template)


def test_every_expectation_and_each_of_its_keys_is_documented():
    page = (ROOT / "docs/reference/data-quality.md").read_text()

    for name, form in FORMS.items():
        assert f"| `{name}` |" in page
        assert all(f"`{key}`" in page for key in form.keys)
    assert all(f"`{key}`" in page for key in BOOKKEEPING)
