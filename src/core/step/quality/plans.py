"""What each expectation measures, and what the measured numbers mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import combinations

from src.core.engine.port import Scalar
from src.core.engine.quality_sql import (
    Absent,
    AddsUp,
    Aggregate,
    Compared,
    Count,
    Different,
    Equal,
    Every,
    Matching,
    Measure,
    Not,
    OneOf,
    Operator,
    Path,
    Predicate,
    Repeated,
    Some,
)
from src.core.step.quality.asking import COMPARED, NUMBERS, Asked, both
from src.core.step.quality.values import shown


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    passed: bool
    sentence: str
    observed: str | None = None
    rows_judged: int | None = None
    rows_failing: int | None = None


@dataclass(frozen=True, slots=True)
class ExpectationPlan:
    measures: tuple[Measure, ...]
    settle: Callable[[Sequence[object]], ExpectationResult]


def whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def settled(outcome: ExpectationResult) -> ExpectationPlan:
    return ExpectationPlan((), lambda _: outcome)


def among(asked: Asked, *columns: Path) -> Predicate:
    """The rows an expectation looks at: those its condition holds for and that have values in all of these columns."""
    # as Great Expectations has it: NULL is the matter of the expectations about NULL alone
    return both(asked.condition, *(Not(Absent(column)) for column in columns))


def rows_fail(asked: Asked, judged: Predicate, failing: Predicate | Repeated, what: str) -> ExpectationPlan:
    """An expectation of every row, or of most."""
    mostly = asked.mostly
    failures = failing if isinstance(failing, Repeated) else Count(both(judged, failing))

    def settle(found: Sequence[object]) -> ExpectationResult:
        rows, wrong = whole(found[0]), whole(found[1])
        limit = "" if mostly == 1 else f"; {shown(round(float((1 - mostly) * 100), 4))} % may"
        sentence = f"{wrong:,} of {rows:,} rows of {asked.schema.name} {what}{limit}"
        # nothing is divided: floats would err by a row near the limit, and of no rows there is no share
        return ExpectationResult(Fraction(rows - wrong) >= mostly * rows, sentence, f"{wrong} of {rows}", rows, wrong)

    return ExpectationPlan((Count(judged), failures), settle)


def not_null(asked: Asked) -> ExpectationPlan:
    return rows_fail(asked, asked.condition, Absent(asked.column()), f"have no {asked.kwargs['column']}")


def null(asked: Asked) -> ExpectationPlan:
    return rows_fail(asked, asked.condition, Not(Absent(asked.column())), f"have a {asked.kwargs['column']}, and none is expected")


def between(asked: Asked) -> ExpectationPlan:
    name, column = asked.kwargs["column"], asked.column()
    asked.field(name, of=COMPARED)
    tests, words = limits(asked, name)
    inside = Every(tuple(Compared(column, operator, value) for operator, value in tests))
    return rows_fail(asked, among(asked, column), Not(inside), f"have a {name} that is not {words}")


def in_set(asked: Asked) -> ExpectationPlan:
    name, column = asked.kwargs["column"], asked.column()
    values = asked.values("value_set", name)
    words = ", ".join(shown(value) for value in values[:6]) + (" ..." if len(values) > 6 else "")  # noqa: PLR2004 enough to recognise the set
    if asked.expectation.type == "expect_column_values_to_not_be_in_set":
        return rows_fail(asked, among(asked, column), OneOf(column, values), f"have a {name} among {words}")
    return rows_fail(asked, among(asked, column), Not(OneOf(column, values)), f"have a {name} other than {words}")


def regex(asked: Asked) -> ExpectationPlan:
    name, column = asked.kwargs["column"], asked.column()
    asked.field(name, of=frozenset({"STRING"}))
    matching = Matching(column, asked.kwargs["regex"])
    if asked.expectation.type == "expect_column_values_to_not_match_regex":
        return rows_fail(asked, among(asked, column), matching, f"have a {name} of the form {asked.kwargs['regex']}")
    return rows_fail(asked, among(asked, column), Not(matching), f"have a {name} that is not of the form {asked.kwargs['regex']}")


def unique(asked: Asked) -> ExpectationPlan:
    name, column = asked.kwargs["column"], asked.column()
    asked.field(name, of=COMPARED)
    judged = among(asked, column)
    return rows_fail(asked, judged, Repeated((column,), judged), f"share their {name} with another row")


def compound_unique(asked: Asked) -> ExpectationPlan:
    columns = compared_columns(asked)
    judged = both(asked.condition, considered(asked, columns))
    return rows_fail(asked, judged, Repeated(columns, judged), f"share their {listed(asked)} with another row")


def distinct_within(asked: Asked) -> ExpectationPlan:
    columns = compared_columns(asked, alike=True)
    pairs = Some(tuple(Equal(left, right) for left, right in combinations(columns, 2)))
    return rows_fail(asked, both(asked.condition, considered(asked, columns)), pairs, f"hold one value twice in {listed(asked)}")


def pair_equal(asked: Asked) -> ExpectationPlan:
    left, right = asked.column("column_A"), asked.column("column_B")
    same_type(asked, (asked.kwargs["column_A"], asked.kwargs["column_B"]), "column_B")
    judged = both(asked.condition, considered(asked, (left, right)))
    what = f"have a {asked.kwargs['column_A']} that is not their {asked.kwargs['column_B']}"
    return rows_fail(asked, judged, Different(left, right), what)


def sum_of_columns(asked: Asked) -> ExpectationPlan:
    name, total, parts = asked.kwargs["column"], asked.column(), asked.columns()
    for each, key in [(name, "column"), *((each, "column_list") for each in asked.kwargs["column_list"])]:
        asked.field(each, key, of=NUMBERS)
    what = f"have a {name} that is not {' + '.join(asked.kwargs['column_list'])}"
    return rows_fail(asked, among(asked, total, *parts), Not(AddsUp(total, parts)), what)


def considered(asked: Asked, columns: tuple[Path, ...]) -> Predicate:
    absent = tuple(Absent(column) for column in columns)
    return Not(Some(absent) if str(asked.kwargs.get("ignore_row_if", "all")).startswith(("any", "either")) else Every(absent))


def compared_columns(asked: Asked, *, alike: bool = False) -> tuple[Path, ...]:
    names = asked.kwargs["column_list"]
    for name in names:
        asked.field(name, "column_list", of=COMPARED)
    if alike:
        same_type(asked, names, "column_list")
    return asked.columns()


def same_type(asked: Asked, names: Sequence[str], key: str) -> None:
    types = {asked.field(name, key, of=COMPARED).type for name in names}
    if len(types) > 1 and not types <= NUMBERS:
        raise asked.wrong(f"{', '.join(names)} are of the types {', '.join(sorted(types))}, which are not compared", key)


def listed(asked: Asked) -> str:
    return ", ".join(asked.kwargs["column_list"])


def limits(asked: Asked, column: str) -> tuple[list[tuple[Operator, Scalar]], str]:
    """The comparisons that hold inside the bounds, and the bounds in words."""
    tests: list[tuple[Operator, Scalar]] = []
    if "min_value" in asked.kwargs:
        tests.append((">" if asked.kwargs.get("strict_min") else ">=", asked.value("min_value", column)))
    if "max_value" in asked.kwargs:
        tests.append(("<" if asked.kwargs.get("strict_max") else "<=", asked.value("max_value", column)))
    return tests, " and ".join(f"{WORDS[operator]} {shown(value)}" for operator, value in tests)


WORDS: Mapping[str, str] = {">": "above", ">=": "at least", "<": "below", "<=": "at most"}


def holds(value: object, tests: Sequence[tuple[Operator, Scalar]]) -> bool:
    return all(_compare(value, operator, bound) for operator, bound in tests)


def _compare(value: object, operator: Operator, bound: Scalar) -> bool:
    lower, higher = value < bound, value > bound  # type: ignore[operator] # both are values of one column
    return {"<": lower, "<=": not higher, ">": higher, ">=": not lower, "=": not lower and not higher}[operator]


def aggregate(asked: Asked) -> ExpectationPlan:
    name, column = asked.kwargs["column"], asked.column()
    kind = asked.expectation.type.split("_")[2]
    asked.field(name, of=NUMBERS if kind == "sum" else COMPARED)
    tests, words = limits(asked, name)
    function: Mapping[str, Aggregate] = {
        "sum": Aggregate("SUM", column, asked.condition),
        "min": Aggregate("MIN", column, asked.condition),
        "max": Aggregate("MAX", column, asked.condition),
    }
    called = {"sum": f"the sum of {name}", "min": f"the least {name}", "max": f"the greatest {name}"}[kind]

    def settle(found: Sequence[object]) -> ExpectationResult:
        # nothing adds up to nothing, but it has no least and no greatest
        value = Decimal(0) if found[0] is None and kind == "sum" else found[0]
        if value is None:
            return ExpectationResult(passed=False, sentence=f"{asked.schema.name} has no {name} to look at", rows_judged=whole(found[1]))
        sentence = f"{called} in {asked.schema.name} is {shown(value)}, and {words} is expected"
        return ExpectationResult(holds(value, tests), sentence, shown(value), whole(found[1]))

    return ExpectationPlan((function[kind], Count(asked.condition)), settle)


def row_count(asked: Asked) -> ExpectationPlan:
    if "value" in asked.kwargs:
        tests: list[tuple[Operator, Scalar]] = [("=", asked.kwargs["value"])]
        words = f"{asked.kwargs['value']:,}"
    else:
        bounds: list[tuple[Operator, str]] = [(">=", "min_value"), ("<=", "max_value")]
        tests = [(operator, asked.kwargs[key]) for operator, key in bounds if key in asked.kwargs]
        words = " and ".join(f"{WORDS[operator]} {shown(value)}" for operator, value in tests)

    def settle(found: Sequence[object]) -> ExpectationResult:
        rows = whole(found[0])
        counted = f"{rows:,} row was" if rows == 1 else f"{rows:,} rows were"
        return ExpectationResult(
            holds(rows, tests), f"{counted} loaded into {asked.schema.name}, and {words} are expected", str(rows), rows
        )

    return ExpectationPlan((Count(asked.condition),), settle)


def column_set(asked: Asked) -> ExpectationPlan:
    expected, exact = asked.kwargs["column_set"], asked.kwargs.get("exact_match", True)
    lacking = [name for name in expected if name not in asked.present]
    extra = sorted(asked.present - set(expected)) if exact else []
    parts = [f"lacks the columns {', '.join(lacking)}"] if lacking else []
    parts += [f"has the unexpected columns {', '.join(extra)}"] if extra else []
    sentence = f"{asked.schema.name} {' and '.join(parts) or 'has the columns that are expected'}"
    return settled(ExpectationResult(not parts, sentence, ", ".join(sorted(asked.present))))


def column_exists(asked: Asked) -> ExpectationPlan:
    name = asked.kwargs["column"]
    there = name.split(".")[0] in asked.present and (name in asked.present or _has_field(asked, name))
    return settled(
        ExpectationResult(there, f"{asked.schema.name} has {'the' if there else 'no'} column {name}", "there" if there else "not there")
    )


def _has_field(asked: Asked, dotted: str) -> bool:
    fields = asked.schema.fields
    for name in dotted.split("."):
        found = next((field for field in fields if field.name == name), None)
        if found is None:
            return False
        fields = found.fields
    return True
