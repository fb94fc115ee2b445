"""What a verdict says, to machines and to whoever pays the bill."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from src.core.base.faults import Misconfigured, QualityFailed, Rejected
from tests.core.step.quality.tables import DAYS, NOW

FULL = {"day": DAYS[0], "month": "202611", "cost": Decimal(2), "credits": Decimal(-1), "net": Decimal(1)}


def not_null(column, severity, **more: object):
    return {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": column, **more}, "severity": severity}


def test_only_critical_failures_keep_the_old_window(bench, suite_of):
    suite = suite_of(not_null("month", "critical"), not_null("cost", "warning"), not_null("day", "info"), not_null("paid", "info"))
    verdict = bench.judge(suite, [{**FULL, "cost": None}])

    verdict.require()

    assert verdict.summary == {"expectations": 4, "passed": 2, "failed_critical": 0, "failed_warning": 1, "failed_info": 1}
    assert [(one.column, one.severity) for one in verdict.failed] == [("cost", "warning"), ("paid", "info")]


def test_a_failure_names_each_critical_expectation_in_a_sentence(bench, suite_of):
    described = {**not_null("month", "critical"), "description": "Reports are by month"}
    totals = {"type": "expect_column_values_to_equal_sum_of_columns", "kwargs": {"column": "net", "column_list": ["cost", "credits"]}}
    verdict = bench.judge(suite_of(described, totals, not_null("paid", "info")), [{**FULL, "month": None, "net": Decimal(3)}, FULL])

    with pytest.raises(QualityFailed) as raised:
        verdict.require()

    assert [(flaw.field, flaw.message) for flaw in raised.value.flaws] == [
        ("month", "1 of 2 rows of lines have no month. Reports are by month"),
        ("net", "1 of 2 rows of lines have a net that is not cost + credits"),
    ]
    assert raised.value.facts == {"suite": "small", "table": "lines"}
    assert raised.value.detail == "2 of 3 checks that lines must pass failed; what was there stays"


def test_findings_carry_what_the_ledger_keeps(bench, suite_of):
    suite = suite_of({"type": "expect_column_sum_to_be_between", "kwargs": {"column": "cost", "min_value": Decimal("4.000000001")}})

    (finding,) = bench.judge(suite, [FULL, FULL]).results

    assert (finding.expectation_index, finding.type, finding.column) == (0, "expect_column_sum_to_be_between", "cost")
    assert (finding.passed, finding.observed, finding.rows_judged, finding.rows_failing) == (False, "4", 2, None)
    assert finding.expected == {"min_value": Decimal("4.000000001")}
    assert finding.sentence == "the sum of cost in lines is 4, and at least 4.000000001 is expected"


def test_expectations_of_other_tables_are_left_out(bench, suite_of):
    suite = suite_of({**not_null("day", "info"), "meta": {"table": "others"}}, not_null("month", "info"))

    assert [one.expectation_index for one in bench.judge(suite, [FULL]).results] == [1]


def test_an_empty_part_holds_what_is_said_of_rows(bench, suite_of):
    least = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
    suite = suite_of(
        not_null("month", "critical"), least, {"type": "expect_column_min_to_be_between", "kwargs": {"column": "cost", "min_value": 0}}
    )

    verdict = bench.judge(suite, [FULL], part={"day": []})

    assert [one.passed for one in verdict.results] == [True, False, False]
    assert verdict.results[1].sentence == "0 rows were loaded into lines, and at least 1 are expected"


def test_freshness_is_of_the_whole_table(bench, suite_of):
    suite = suite_of({"type": "expect_column_max_age_to_be_between", "kwargs": {"column": "day", "max_value": 24}})
    today = {**FULL, "day": NOW.date()}

    assert bench.judge(suite, [FULL, today], part={"day": DAYS[0]}).results[0].passed
    assert not bench.judge(suite, [FULL, today], part={"day": DAYS[0]}, now=NOW + timedelta(hours=15)).results[0].passed
    assert not bench.judge(suite, [{**FULL, "day": None}]).results[0].passed


def test_freshness_is_not_asked_of_who_loads_an_old_month(bench, suite_of):
    age = {"type": "expect_column_max_age_to_be_between", "kwargs": {"column": "day", "max_value": 24}}
    count = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
    later = NOW + timedelta(days=9)

    old = bench.judge(suite_of(age, count), [FULL], now=later, until=DAYS[0])
    of_late = bench.judge(suite_of(age, count), [FULL], now=later, until=later.date())

    assert [one.type for one in old.results] == [count["type"]]
    assert [one.passed for one in of_late.results] == [False, True]


def test_parameters_are_filled_from_the_run_then_from_the_suite(bench, suite_of):
    count = {"type": "expect_table_row_count_to_equal", "kwargs": {"value": {"$PARAMETER": "rows"}}}
    days = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "day", "value_set": {"$PARAMETER": "days"}}}
    past = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "day", "max_value": {"$PARAMETER": "today"}}}
    suite = suite_of(count, days, past, suite_parameters={"rows": 5, "days": ["2026-11-01"]})

    def passed(**values: object):
        return [one.passed for one in bench.judge(suite, [FULL], values=values).results]

    assert passed() == [False, True, True]
    assert passed(rows=1, days=[date(2026, 11, 2)], today=date(2026, 10, 31)) == [True, False, False]


@pytest.mark.parametrize(("values", "said"), [({"row": 1}, "'rows' has no value; did you mean 'row'?"), ({"rows": "1"}, "a whole number")])
def test_a_parameter_without_a_fitting_value_is_refused(bench, suite_of, values, said):
    suite = suite_of({"type": "expect_table_row_count_to_equal", "kwargs": {"value": {"$PARAMETER": "rows"}}})

    with pytest.raises(Misconfigured) as raised:
        bench.judge(suite, [FULL], values=values)

    assert said in str(raised.value)


def test_a_column_that_the_table_lacks_fails_its_expectations_alone(bench, suite_of):
    columns = {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": ["day", "paid"]}}
    some = {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": ["day"], "exact_match": False}}
    exists = {"type": "expect_column_to_exist", "kwargs": {"column": "service.id"}}
    lost = {"type": "expect_column_to_exist", "kwargs": {"column": "paid"}}
    suite = suite_of(columns, some, exists, lost, not_null("paid", "info"), not_null("day", "info"))

    found = bench.judge(suite, [FULL], columns=["day", "service", "extra"]).results

    assert [one.passed for one in found] == [False, True, True, False, False, True]
    assert found[0].sentence == "lines lacks the columns paid and has the unexpected columns extra, service"
    assert found[4].sentence == "lines has no column paid"


def test_a_part_names_a_column_of_the_table(bench, suite_of):
    with pytest.raises(Rejected, match="did you mean 'month'"):
        bench.judge(suite_of(not_null("day", "info")), [FULL], part={"moth": "202611"})


def test_a_text_of_the_suite_stays_a_text(bench, suite_of):
    hostile = "') OR TRUE; DROP TABLE lines; --"
    suite = suite_of({"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "month", "value_set": [hostile]}})

    assert not bench.judge(suite, [FULL]).results[0].passed
    assert bench.judge(suite, [{**FULL, "month": hostile}]).results[0].passed
