"""A suite asked of one table, in one statement of the publication that wrote it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from src.core.base.faults import Flaw, Misconfigured, QualityFailed, Rejected
from src.core.base.names import did_you_mean
from src.core.base.schema import TableSchema
from src.core.engine.port import Publication
from src.core.engine.quality_sql import Measure, Newest, Part, question
from src.core.ledger.tables.dq_results import Finding, Severity
from src.core.step.quality import plans
from src.core.step.quality.asking import MOMENTS, Asked, filled, named_columns
from src.core.step.quality.plans import ExpectationPlan, ExpectationResult
from src.core.step.quality.suite import Suite, SuiteExpectation, is_parameter
from src.core.step.quality.values import shown

ONE_HOUR = timedelta(hours=1)
# They ask what the table is made of, so a column that is not there is an answer.
OF_THE_TABLE = frozenset({"expect_table_columns_to_match_set", "expect_column_to_exist"})
AGE = "expect_column_max_age_to_be_between"

BUILDERS: Mapping[str, Callable[[Asked], ExpectationPlan]] = {
    "expect_table_row_count_to_be_between": plans.row_count,
    "expect_table_row_count_to_equal": plans.row_count,
    "expect_table_columns_to_match_set": plans.column_set,
    "expect_column_to_exist": plans.column_exists,
    "expect_column_values_to_not_be_null": plans.not_null,
    "expect_column_values_to_be_null": plans.null,
    "expect_column_values_to_be_between": plans.between,
    "expect_column_values_to_be_in_set": plans.in_set,
    "expect_column_values_to_not_be_in_set": plans.in_set,
    "expect_column_values_to_match_regex": plans.regex,
    "expect_column_values_to_not_match_regex": plans.regex,
    "expect_column_values_to_be_unique": plans.unique,
    "expect_compound_columns_to_be_unique": plans.compound_unique,
    "expect_select_column_values_to_be_unique_within_record": plans.distinct_within,
    "expect_column_pair_values_to_be_equal": plans.pair_equal,
    "expect_column_sum_to_be_between": plans.aggregate,
    "expect_column_min_to_be_between": plans.aggregate,
    "expect_column_max_to_be_between": plans.aggregate,
    "expect_column_values_to_equal_sum_of_columns": plans.sum_of_columns,
}


@dataclass(frozen=True, slots=True)
class QualityVerdict:
    suite: str
    table: str
    results: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.results if not finding.passed)

    @property
    def failed_critical(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.failed if finding.severity == "critical")

    @property
    def summary(self) -> dict[str, int]:
        counts = {f"failed_{severity}": self._failed(severity) for severity in ("critical", "warning", "info")}
        return {"expectations": len(self.results), "passed": len(self.results) - len(self.failed), **counts}

    def _failed(self, severity: Severity | str) -> int:
        return sum(finding.severity == severity for finding in self.failed)

    def require(self) -> None:
        """Raises QualityFailed when a critical expectation did not hold."""
        if self.failed_critical:
            raise QualityFailed(
                f"{len(self.failed_critical)} of {len(self.results)} checks that {self.table} must pass failed; what was there stays",
                flaws=[Flaw(finding.sentence, field=finding.column) for finding in self.failed_critical],
                suite=self.suite,
                table=self.table,
            )


def judge(
    publication: Publication,
    suite: Suite,
    *,
    table: TableSchema,
    part: Part,
    now: datetime,
    values: Mapping[str, object] | None = None,
    columns: Collection[str] | None = None,
    until: date | None = None,
) -> QualityVerdict:
    """Looks at the rows of `part`. `values` fill the suite's parameters; `columns` are the table's real ones, where they are known; `until`
    is the last day that was asked for, where days were."""
    _check_part(part, table)
    given = {"now": now, "today": now.astimezone(UTC).date(), **suite.parameters, **(values or {})}
    present = frozenset(columns if columns is not None else table.columns)
    asked = [Asked(expectation, filled(expectation, given), table, present) for expectation in suite.of(table.name)]
    asked = [each for each in asked if until is None or _can_hold(each, now, until)]
    planned = [plan(each, now) for each in asked]
    # each once: many expectations ask for the same count, and all of them are one statement
    measures = list(dict.fromkeys(measure for each in planned for measure in each.measures))
    measured = _measured(publication, table.name, part, measures)
    outcomes = [each.settle([measured[measure] for measure in each.measures]) for each in planned]
    return QualityVerdict(suite.name, table.name, tuple(_finding(each, outcome) for each, outcome in zip(asked, outcomes, strict=True)))


def check_suite(suite: Suite, schemas: Mapping[str, TableSchema]) -> None:
    """For the start of the service: every expectation that names its table can be asked of it."""
    flaws: list[Flaw] = []
    for expectation in suite.expectations:
        if expectation.table is None:
            continue
        if expectation.table not in schemas:
            flaws.append(expectation.flaw(f"there is no table {expectation.table!r}{did_you_mean(expectation.table, schemas)}"))
            continue
        try:
            _try(expectation, schemas[expectation.table])
        except Misconfigured as wrong:
            flaws += wrong.flaws
    if flaws:
        raise Misconfigured("a data-quality suite does not fit its tables", flaws=flaws)


def _try(expectation: SuiteExpectation, table: TableSchema) -> None:
    open_keys = [key for key, value in expectation.kwargs.items() if is_parameter(value)]
    kwargs = {key: value for key, value in expectation.kwargs.items() if key not in open_keys}
    asked = Asked(expectation, kwargs, table, frozenset(table.columns))
    if open_keys:
        # what a parameter will be is known when a run begins; the columns are known now
        for name in [] if expectation.type in OF_THE_TABLE else named_columns(kwargs):
            asked.field(name)
    else:
        plan(asked, datetime.now(UTC))


def plan(asked: Asked, now: datetime) -> ExpectationPlan:
    if asked.missing and asked.expectation.type not in OF_THE_TABLE:
        # a finding, not a fault: the statement that asks of a column which is not there would fail for all the others
        return plans.settled(
            ExpectationResult(passed=False, sentence=f"{asked.schema.name} has no column {asked.missing[0]}", observed="not there")
        )
    if asked.expectation.type == AGE:
        return _age(asked, now)
    return BUILDERS[asked.expectation.type](asked)


def _age(asked: Asked, now: datetime) -> ExpectationPlan:
    """Of the newest value in the whole table: a month loaded again says nothing about how fresh the table is."""
    name, column = asked.kwargs["column"], asked.column()
    asked.field(name, of=MOMENTS)
    bounds = [(key, _hours(asked.kwargs[key])) for key in ("min_value", "max_value") if key in asked.kwargs]

    def settle(found: Sequence[object]) -> ExpectationResult:
        newest = _instant(found[0])
        if newest is None:
            return ExpectationResult(passed=False, sentence=f"{asked.schema.name} has no {name} to tell its age by")
        age = now - newest
        passed = all(age >= limit if key == "min_value" else age <= limit for key, limit in bounds)
        words = " and ".join(f"{'at least' if key == 'min_value' else 'at most'} {shown(asked.kwargs[key])} hours" for key, _ in bounds)
        sentence = f"the newest {name} of {asked.schema.name} is {shown(found[0])}, {age // ONE_HOUR:,} hours ago, and {words} are expected"
        return ExpectationResult(passed, sentence, shown(found[0]))

    return ExpectationPlan((Newest(column),), settle)


def _can_hold(asked: Asked, now: datetime, until: date) -> bool:
    """An old month brings nothing young: how fresh the table is has to be judged of whoever asks for days of late."""
    if asked.expectation.type != AGE or "max_value" not in asked.kwargs:
        return True
    return now - datetime.combine(until + timedelta(days=1), time(), UTC) <= _hours(asked.kwargs["max_value"])


def _hours(value: Any) -> timedelta:
    return timedelta(microseconds=int(value * 3_600_000_000))


def _instant(value: object) -> datetime | None:
    """Days and wall times are those of UTC; a day is as old as its first moment."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time(), UTC) if isinstance(value, date) else None


def _measured(publication: Publication, table: str, part: Part, measures: Sequence[Measure]) -> dict[Measure, object]:
    if not measures:
        return {}
    asked = question(table, part, measures)
    (row,) = publication.query(asked.sql, asked.params).to_pylist()
    return {measure: row[f"m{number}"] for number, measure in enumerate(measures)}


def _check_part(part: Part, table: TableSchema) -> None:
    for column in part:
        if column not in table.columns:
            raise Rejected(f"{table.name} has no column {column!r} to look at a part by{did_you_mean(column, table.columns)}")


def _finding(asked: Asked, outcome: ExpectationResult) -> Finding:
    expectation = asked.expectation
    reason = f". {expectation.description}" if expectation.description and not outcome.passed else ""
    return Finding(
        expectation_index=expectation.index,
        type=expectation.type,
        column=", ".join(_about(asked.kwargs)) or None,
        severity=expectation.severity,
        passed=outcome.passed,
        observed=outcome.observed,
        expected={key: _plain(value) for key, value in asked.kwargs.items() if key != "column"},
        rows_judged=outcome.rows_judged,
        rows_failing=outcome.rows_failing,
        sentence=outcome.sentence + reason,
    )


def _about(kwargs: Mapping[str, Any]) -> list[str]:
    return [kwargs["column"]] if "column" in kwargs else named_columns({**kwargs, "row_condition": None})


def _plain(value: object) -> object:
    if isinstance(value, set | frozenset | tuple):
        return sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)
    return value
