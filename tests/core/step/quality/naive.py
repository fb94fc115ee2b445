"""What the expectations mean, row by row in plain Python."""

import re
from collections import Counter
from datetime import UTC, date, datetime, time
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import combinations

from tests.core.step.quality.tables import NOW


def value_of(row, dotted):
    for name in dotted.split("."):
        row = row[name] if row is not None else None
    return row


def typed(value, like):
    """A value of the suite as the type of what it is held against."""
    if isinstance(like, bool | str):
        return value
    if not isinstance(value, str):
        return Decimal(value) if isinstance(value, int) else value
    if isinstance(like, datetime):
        return datetime.fromisoformat(value)
    if isinstance(like, date):
        return date.fromisoformat(value)
    return Decimal(value)


def chosen(row, condition):
    if condition is None:
        return True
    value = value_of(row, condition["column"])
    if value is None:
        return False
    wanted = condition.get("in", [condition["equals"]] if "equals" in condition else None)
    return wanted is None or any(value == typed(one, value) for one in wanted)


def inside(value, kwargs):
    low, high = (typed(kwargs[key], value) if key in kwargs else None for key in ("min_value", "max_value"))
    above = low is None or (value > low if kwargs.get("strict_min") else value >= low)
    below = high is None or (value < high if kwargs.get("strict_max") else value <= high)
    return above and below


def repeated(keys):
    times = Counter(keys)
    return sum(times[key] > 1 for key in keys)


def of_rows(kind, kwargs, rows):
    """Rows looked at and rows failing, or None for what is not about single rows."""
    if kind in ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null"):
        absent = sum(value_of(row, kwargs["column"]) is None for row in rows)
        return len(rows), absent if kind.endswith("not_be_null") else len(rows) - absent
    if kind.startswith("expect_column_values_to_equal_sum"):
        names = [kwargs["column"], *kwargs["column_list"]]
        full = [values for row in rows if None not in (values := [value_of(row, name) for name in names])]
        with localcontext(prec=60):
            return len(full), sum(total != sum(parts) for total, *parts in full)
    if kind.startswith("expect_column_values"):
        values = [value for row in rows if (value := value_of(row, kwargs["column"])) is not None]
        return len(values), failing(kind, kwargs, values)
    return of_columns(kind, kwargs, rows)


def failing(kind, kwargs, values):
    among = kwargs.get("value_set", [])
    match kind.removeprefix("expect_column_values_to_"):
        case "be_unique":
            return repeated(values)
        case "be_between":
            return sum(not inside(value, kwargs) for value in values)
        case "be_in_set":
            return sum(not any(value == typed(one, value) for one in among) for value in values)
        case "not_be_in_set":
            return sum(any(value == typed(one, value) for one in among) for value in values)
        case "match_regex":
            return sum(not re.search(kwargs["regex"], value) for value in values)
        case "not_match_regex":
            return sum(bool(re.search(kwargs["regex"], value)) for value in values)


def of_columns(kind, kwargs, rows):
    names = kwargs.get("column_list") or [kwargs[key] for key in ("column_A", "column_B") if key in kwargs]
    if not names:
        return None
    keys = [tuple(value_of(row, name) for name in names) for row in rows]
    ignore = any if kwargs.get("ignore_row_if", "all").startswith(("any", "either")) else all
    keys = [key for key in keys if not ignore(value is None for value in key)]
    if kind == "expect_compound_columns_to_be_unique":
        return len(keys), repeated(keys)
    if kind == "expect_column_pair_values_to_be_equal":
        return len(keys), sum(left != right for left, right in keys)
    return len(keys), sum(any(one == other and one is not None for one, other in combinations(key, 2)) for key in keys)


def holds(kind, kwargs, rows, all_rows) -> tuple[bool, int | None, int | None]:
    rows = [row for row in rows if chosen(row, kwargs.get("row_condition"))]
    counted = of_rows(kind, kwargs, rows)
    if counted:
        judged, wrong = counted
        return Fraction(judged - wrong) >= Fraction(str(kwargs.get("mostly", 1))) * judged, judged, wrong
    if kind.startswith("expect_table_row_count"):
        low, high = (kwargs.get("value", kwargs.get(key)) for key in ("min_value", "max_value"))
        return (low is None or len(rows) >= low) and (high is None or len(rows) <= high), len(rows), None
    if kind == "expect_column_max_age_to_be_between":
        return young(kwargs, [value for row in all_rows if (value := value_of(row, kwargs["column"])) is not None]), None, None
    values = [value for row in rows if (value := value_of(row, kwargs["column"])) is not None]
    with localcontext(prec=60):
        kept = values or [Decimal(0)]
        found = {"sum": lambda: sum(kept), "min": lambda: min(kept), "max": lambda: max(kept)}[kind.split("_")[2]]()
    return (bool(values) or "_sum_" in kind) and inside(found, kwargs), len(rows), None


def young(kwargs, values):
    if not values:
        return False
    newest = max(values)
    moment = newest if isinstance(newest, datetime) else datetime.combine(newest, time(), UTC)
    hours = Fraction(int((NOW - moment).total_seconds()), 3600)
    return kwargs.get("min_value", -(10**9)) <= hours <= kwargs.get("max_value", 10**9)
