"""One expectation held against one table's schema: its columns found, its parameters filled in, its values made the columns' own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from src.core.base.faults import Misconfigured
from src.core.base.names import did_you_mean
from src.core.base.schema import Field, FieldType, TableSchema
from src.core.engine.port import Scalar
from src.core.engine.quality_sql import EVERY_ROW, Absent, Compared, Every, Not, OneOf, Path, Predicate
from src.core.step.quality.forms import FORMS, PARAMETER, misfit
from src.core.step.quality.suite import SuiteExpectation, is_parameter
from src.core.step.quality.values import fitted

NUMBERS: frozenset[FieldType] = frozenset({"INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC"})
MOMENTS: frozenset[FieldType] = frozenset({"DATE", "DATETIME", "TIMESTAMP"})
COMPARED: frozenset[FieldType] = NUMBERS | MOMENTS | {"STRING", "BOOL"}


@dataclass(frozen=True, slots=True)
class Asked:
    expectation: SuiteExpectation
    kwargs: Mapping[str, Any]
    schema: TableSchema
    present: frozenset[str]
    """The columns the table really has; those of its schema unless told otherwise."""

    def wrong(self, message: str, key: str | None = None) -> Misconfigured:
        kind = self.expectation.type
        return Misconfigured(f"{kind} cannot be asked of {self.schema.name}", flaws=[self.expectation.flaw(message, key)])

    def column(self, key: str = "column") -> Path:
        return self.path(str(self.kwargs[key]), key)

    def columns(self, key: str = "column_list") -> tuple[Path, ...]:
        return tuple(self.path(name, key) for name in self.kwargs[key])

    def path(self, dotted: str, key: str) -> Path:
        self.field(dotted, key)
        return tuple(dotted.split("."))

    def field(self, dotted: str, key: str = "column", of: frozenset[FieldType] | None = None) -> Field:
        fields: Sequence[Field] = self.schema.fields
        found: Field | None = None
        for name in dotted.split("."):
            known = {field.name: field for field in fields}
            if name not in known:
                raise self.wrong(f"{self.schema.name} has no column {dotted!r}{did_you_mean(name, known)}", key)
            found = known[name]
            if found.mode == "REPEATED":
                raise self.wrong(f"{name!r} is repeated; expectations look at single values", key)
            fields = found.fields
        if found is None or (of is not None and found.type not in of):
            raise self.wrong(f"{dotted} is {found.type if found else 'nothing'}, and {' or '.join(sorted(of or ()))} is needed", key)
        return found

    def value(self, key: str, column: str) -> Scalar:
        return self._fitted(self.kwargs[key], column, key)

    def values(self, key: str, column: str) -> tuple[Scalar, ...]:
        given = self.kwargs[key]
        if not isinstance(given, list | tuple | set | frozenset):
            raise self.wrong("a list of values is needed", key)
        return tuple(dict.fromkeys(self._fitted(one, column, key) for one in given))

    def _fitted(self, value: object, column: str, key: str) -> Scalar:
        try:
            return fitted(value, self.field(column, key))
        except ValueError as wrong:
            raise self.wrong(str(wrong), key) from wrong

    @property
    def mostly(self) -> Fraction:
        """The share of rows that must do, exactly as it is written."""
        return Fraction(str(self.kwargs.get("mostly", 1)))

    @property
    def condition(self) -> Predicate:
        given = self.kwargs.get("row_condition")
        if given is None:
            return EVERY_ROW
        dotted, key = str(given["column"]), "row_condition"
        column = self.path(dotted, key)
        if "in" in given:
            return OneOf(column, tuple(dict.fromkeys(self._fitted(one, dotted, key) for one in given["in"])))
        if "equals" in given:
            return Compared(column, "=", self._fitted(given["equals"], dotted, key))
        return Not(Absent(column))

    @property
    def missing(self) -> list[str]:
        """The columns it is about that the table lacks although its schema has them."""
        lost = set(self.schema.columns) - self.present
        return sorted({name for name in named_columns(self.kwargs) if name.split(".")[0] in lost})


def named_columns(kwargs: Mapping[str, Any]) -> list[str]:
    names = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    condition = kwargs.get("row_condition")
    return [*names, *kwargs.get("column_list", ()), *([condition["column"]] if condition else [])]


def both(*predicates: Predicate) -> Predicate:
    """All of them; what asks nothing is left out, so that like questions stay alike."""
    asking = tuple(predicate for predicate in predicates if predicate != EVERY_ROW)
    return asking[0] if len(asking) == 1 else Every(asking)


def filled(expectation: SuiteExpectation, given: Mapping[str, object]) -> dict[str, Any]:
    """The keys with every parameter replaced by its value."""
    named = {key: str(value[PARAMETER]) for key, value in expectation.kwargs.items() if is_parameter(value)}
    form, flaws = FORMS[expectation.type], []
    for key, name in named.items():
        kind = form.keys[key]
        if name not in given:
            flaws.append(expectation.flaw(f"the parameter {name!r} has no value{did_you_mean(name, given)}", key))
        # a value is held against its column, whose type is not known here
        elif kind not in ("value", "values") and (wrong := misfit(given[name], kind, form)):
            flaws.append(expectation.flaw(f"the parameter {name!r} is {given[name]!r}, and {wrong}", key))
    if flaws:
        raise Misconfigured("a data-quality suite asks for a value it is not given", flaws=flaws)
    return {**expectation.kwargs, **{key: given[name] for key, name in named.items()}}
