"""The expectations there are, and what each takes. The names and keys are those of Great Expectations, except where marked as ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from src.core.base.names import IDENTIFIER

Kind = Literal["column", "columns", "names", "name", "whole", "share", "number", "value", "values", "regex", "flag", "condition", "ignore"]

CONDITION_KEYS = frozenset({"column", "in", "equals", "not_null"})
# Kept by Great Expectations beside the meaning of an expectation; they change nothing in what is judged.
BOOKKEEPING = frozenset({"result_format", "include_config", "catch_exceptions", "batch_id", "auto", "profiler_config"})
ESCAPE_OR_CLASS = re.compile(r"\\.|\[\^?\]?(\\.|[^\]\\])*\]")
# Python's own patterns allow these, RE2 does not
NOT_RE2 = re.compile(r"\(\?(=|!|<=|<!|P=|>|#|\()|[*+?}]\+")
PARAMETER = "$PARAMETER"


@dataclass(frozen=True, slots=True)
class Form:
    """`limits` are the keys of which at least one is given; `ignore` are the words that `ignore_row_if` takes, the default first."""

    needs: Mapping[str, Kind] = field(default_factory=dict)
    takes: Mapping[str, Kind] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @property
    def keys(self) -> Mapping[str, Kind]:
        return {**self.needs, **self.takes}


ROWS: Mapping[str, Kind] = {"mostly": "share", "row_condition": "condition"}
SOME: Mapping[str, Kind] = {"row_condition": "condition"}
COLUMN: Mapping[str, Kind] = {"column": "column"}
BOUNDS: Mapping[str, Kind] = {"min_value": "value", "max_value": "value", "strict_min": "flag", "strict_max": "flag"}
EITHER = ("min_value", "max_value")
ALL_OR_ANY = ("all_values_are_missing", "any_value_is_missing")
BOTH_OR_EITHER = ("both_values_are_missing", "either_value_is_missing")

FORMS: Mapping[str, Form] = {
    "expect_table_row_count_to_be_between": Form(takes={"min_value": "whole", "max_value": "whole", **SOME}, limits=EITHER),
    "expect_table_row_count_to_equal": Form({"value": "whole"}, SOME),
    "expect_table_columns_to_match_set": Form({"column_set": "names"}, {"exact_match": "flag"}),
    "expect_column_to_exist": Form({"column": "name"}),
    "expect_column_values_to_not_be_null": Form(COLUMN, ROWS),
    "expect_column_values_to_be_null": Form(COLUMN, ROWS),
    "expect_column_values_to_be_between": Form(COLUMN, {**BOUNDS, **ROWS}, EITHER),
    "expect_column_values_to_be_in_set": Form({**COLUMN, "value_set": "values"}, ROWS),
    "expect_column_values_to_not_be_in_set": Form({**COLUMN, "value_set": "values"}, ROWS),
    "expect_column_values_to_match_regex": Form({**COLUMN, "regex": "regex"}, ROWS),
    "expect_column_values_to_not_match_regex": Form({**COLUMN, "regex": "regex"}, ROWS),
    "expect_column_values_to_be_unique": Form(COLUMN, ROWS),
    "expect_compound_columns_to_be_unique": Form({"column_list": "columns"}, {**ROWS, "ignore_row_if": "ignore"}, ignore=ALL_OR_ANY),
    "expect_select_column_values_to_be_unique_within_record": Form(
        {"column_list": "columns"}, {**ROWS, "ignore_row_if": "ignore"}, ignore=ALL_OR_ANY
    ),
    "expect_column_pair_values_to_be_equal": Form(
        {"column_A": "column", "column_B": "column"}, {**ROWS, "ignore_row_if": "ignore"}, ignore=BOTH_OR_EITHER
    ),
    "expect_column_sum_to_be_between": Form(COLUMN, {**BOUNDS, **SOME}, EITHER),
    "expect_column_min_to_be_between": Form(COLUMN, {**BOUNDS, **SOME}, EITHER),
    "expect_column_max_to_be_between": Form(COLUMN, {**BOUNDS, **SOME}, EITHER),
    # ours: net = cost + credits
    "expect_column_values_to_equal_sum_of_columns": Form({**COLUMN, "column_list": "columns"}, ROWS),
    # ours: freshness
    "expect_column_max_age_to_be_between": Form(COLUMN, {"min_value": "number", "max_value": "number"}, EITHER),
}


def misfit(value: object, kind: Kind, form: Form) -> str | None:
    """Why the value of a key cannot be what the key takes."""
    if kind == "ignore":
        return None if value in form.ignore else f"one of {', '.join(form.ignore)} is needed"
    if kind == "condition":
        return _condition_misfit(value)
    if kind == "regex":
        return _regex_misfit(value)
    return None if _fits(value, kind) else f"{SHAPES[kind]} is needed"


SHAPES: Mapping[Kind, str] = {
    "column": "the name of a column, with a dot before a field of it,",
    "columns": "a list of at least two different columns",
    "names": "a list of different column names",
    "name": "the name of a column",
    "whole": "a whole number, 0 or more,",
    "share": "a number from 0 to 1",
    "number": "a number",
    "value": "a text or a number",
    "values": "a list of texts or numbers, without null,",
    "flag": "true or false",
}


def _fits(value: object, kind: Kind) -> bool:
    match kind:
        case "column" | "name":
            return _is_column(value)
        case "columns" | "names":
            few = 1 if kind == "names" else 2
            return isinstance(value, list) and all(_is_column(one) for one in value) and len(set(value)) == len(value) >= few
        case "values":
            return isinstance(value, list) and bool(value) and all(_is_value(one) for one in value)
        case "value" | "flag":
            return isinstance(value, bool) or (kind == "value" and _is_value(value))
        case _:
            return _is_number(value, kind)


def _is_number(value: object, kind: Kind) -> bool:
    # not isinstance: true and false are ints to Python, and no number of rows
    if type(value) is int and kind == "whole":
        return value >= 0
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and (kind == "number" or (kind == "share" and 0 <= value <= 1))


def _is_column(value: object) -> bool:
    return isinstance(value, str) and all(IDENTIFIER.fullmatch(part) for part in value.split("."))


def _is_value(value: object) -> bool:
    return isinstance(value, str | bool | int | Decimal)


def _condition_misfit(value: object) -> str | None:
    if not isinstance(value, dict):
        return "conditions are not SQL here; write {column, in: [...]}, {column, equals: ...} or {column, not_null: true}"
    tests = set(value) - {"column"}
    if not _is_column(value.get("column")) or len(tests) != 1 or not tests <= CONDITION_KEYS:
        return "a condition is `column` and one of `in`, `equals`, `not_null`"
    if "in" in value and not _fits(value["in"], "values"):
        return f"`in`: {SHAPES['values']} is needed"
    if "equals" in value and not _is_value(value["equals"]):
        return f"`equals`: {SHAPES['value']} is needed"
    return "`not_null` is true or left out" if "not_null" in value and value["not_null"] is not True else None


def _regex_misfit(value: object) -> str | None:
    if not isinstance(value, str):
        return "a regular expression is needed"
    try:
        re.compile(value)
    except re.error as wrong:
        return f"not a regular expression: {wrong}"
    escapes = [part for part in (found.group() for found in ESCAPE_OR_CLASS.finditer(value)) if re.fullmatch(r"\\[1-9Z]", part)]
    if escapes or NOT_RE2.search(ESCAPE_OR_CLASS.sub("x", value)):
        return "RE2 has no look-around, back reference, possessive repeat or \\Z"
    return None
