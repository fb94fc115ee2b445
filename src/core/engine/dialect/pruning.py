"""Files that a question cannot need are left out of it: what its conditions say of a row's days is said of a file's first and last day.

A condition may only follow from one of the statement's own, for every row and every value of the parameters. What is not understood here
says nothing, and then a file is read.
"""

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Final

from sqlglot import exp

from src.core.base.schema import SliceColumns
from src.core.engine.dialect.statements import is_common

ROWS_OF: Final = "x_rows_of_"
"""Ahead of a table's name, its rows with the days of the file that each is in."""
DAY: Final = ("x_day_from", "x_day_to")
USED: Final = ("x_used_from", "x_used_to")
BESIDE: Final = (*DAY, *USED, "x_file")
LISTED = 32  # values of an IN that are each held against a file's days
TURNED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.EQ,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
}
"""To what each is when its sides change places."""
OF_PARAMETERS = (
    *(exp.Parameter, exp.Var, exp.Literal, exp.Null, exp.Boolean),
    *(exp.And, exp.Or, exp.Not, exp.Paren, exp.Is, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE),
)
OF_A_DAY = (exp.Parameter, exp.Var, exp.Literal, exp.Cast, exp.DataType, exp.DateAdd, exp.DateSub, exp.DateFromParts, exp.Paren)

Columns = Mapping[str, Mapping[str, str]]
Spans = Mapping[str, tuple[str, str]]
Names = Mapping[tuple[str, str], tuple[str, str]]
"""The first and the last day, by the qualifier and the name that can mean no other column there."""


def prune(root: exp.Expr, sliced: Mapping[str, SliceColumns], columns: Columns) -> None:
    """Reads of the sliced tables, in place. Nothing of it depends on which files there are."""
    hidden = any(cte.alias.lower().startswith(ROWS_OF) for cte in root.find_all(exp.CTE))
    # found before any is changed: what is put in a table's place is a SELECT itself
    for select in list(root.find_all(exp.Select)) if sliced and not hidden else []:
        for table in [source for source in _sources(select) if isinstance(source, exp.Table)]:
            if table.name in sliced and _is_plain(table) and not is_common(table):
                _prune_one(select, table, _spans(sliced[table.name]), columns)


def _spans(slices: SliceColumns) -> Spans:
    return {slices.day.lower(): DAY, "usage_date": USED}


def _sources(select: exp.Select) -> list[exp.Expr]:
    first = select.args.get("from_")
    return [source.this for source in ([first] if first else []) + select.args.get("joins", [])]


def _is_plain(table: exp.Table) -> bool:
    alias = table.args.get("alias")
    others = [value for name, value in table.args.items() if name not in ("this", "alias")]
    return not any(others) and not (alias and alias.args.get("columns"))


def _prune_one(select: exp.Select, table: exp.Table, spans: Spans, columns: Columns) -> None:
    named = _names_of(select, table, spans, columns)
    found = [_implied(condition, named) for condition in _conditions(select, table)]
    kept = [condition for condition in found if condition is not None]
    if not kept:
        return
    rows = exp.Table(this=exp.to_identifier(ROWS_OF + table.name, quoted=True))
    beside = exp.Star(except_=[exp.to_identifier(name, quoted=True) for name in BESIDE])
    read = exp.Select(expressions=[beside]).from_(rows, copy=False).where(*kept, copy=False)
    alias = table.args["alias"].this if table.args.get("alias") else table.this
    table.replace(exp.Subquery(this=read, alias=exp.TableAlias(this=alias.copy())))


def _names_of(select: exp.Select, table: exp.Table, spans: Spans, columns: Columns) -> Names:
    alias = table.alias_or_name.lower()
    others = [source for source in _sources(select) if source is not table]
    if any(other.alias_or_name.lower() == alias for other in others):
        return {}
    bare = [] if select.args.get("laterals") else [name for name in spans if not any(_may_hold(other, name, columns) for other in others)]
    return {(alias, name): span for name, span in spans.items()} | {("", name): spans[name] for name in bare}


def _may_hold(source: exp.Expr, name: str, columns: Columns) -> bool:
    held = columns.get(source.name) if isinstance(source, exp.Table) and not is_common(source) else None
    return held is None or name in {column.lower() for column in held}


def _conditions(select: exp.Select, table: exp.Table) -> Iterator[exp.Expr]:
    """Each that a row of the table must meet to count in the answer: of WHERE all, for rows that an outer join makes up have no days."""
    joins: list[exp.Join] = select.args.get("joins", [])
    if any(join.kind not in ("", "INNER", "CROSS", "OUTER") or join.method for join in joins):
        return
    where = select.args.get("where")
    if where:
        yield from _conjuncts(where.this)
    place = next((number for number, join in enumerate(joins) if join.this is table), -1)
    for number, join in enumerate(joins):
        meets = (not join.side and place <= number) or (join.side == "LEFT" and place == number)
        if meets and join.args.get("on"):
            yield from _conjuncts(join.args["on"])


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.this)
        yield from _conjuncts(condition.expression)
    else:
        yield condition


def _implied(condition: exp.Expr, named: Names) -> exp.Expr | None:
    """What is true of a file if the condition is true of one of its rows."""
    condition = condition.unnest()
    found: exp.Expr | None = None
    if all(isinstance(node, OF_PARAMETERS) for node in condition.walk()):
        found = exp.Paren(this=condition.copy())
    elif isinstance(condition, exp.And | exp.Or):
        found = _joined(type(condition), [_implied(side, named) for side in (condition.this, condition.expression)])
    elif isinstance(condition, exp.Between):
        low, high = (condition.args[end] for end in ("low", "high"))
        found = _joined(exp.And, [_compared(exp.GTE, condition.this, low, named), _compared(exp.LTE, condition.this, high, named)])
    elif isinstance(condition, exp.In):
        found = _in(condition, named)
    elif type(condition) in TURNED:
        how, left, right = type(condition), condition.this, condition.expression
        found = _compared(how, left, right, named) or _compared(TURNED[how], right, left, named)
    return found


def _compared(how: type[exp.Expr], column: exp.Expr, value: exp.Expr, named: Names) -> exp.Expr | None:
    span = _span_of(column, named)
    if span is None or not _is_day(value):
        return None
    first, last = (_in_place_of(column, name) for name in span)
    if how is exp.EQ:
        return _joined(exp.And, [exp.LTE(this=first, expression=value.copy()), exp.GTE(this=last, expression=value.copy())])
    return how(this=first if how in (exp.LT, exp.LTE) else last, expression=value.copy())


def _in(condition: exp.In, named: Names) -> exp.Expr | None:
    span, values, given = _span_of(condition.this, named), condition.expressions, condition.args.get("unnest")
    if span is not None and isinstance(given, exp.Unnest) and isinstance(given.expressions[0], exp.Parameter):
        first, last = (_in_place_of(condition.this, name) for name in span)
        least, most = (exp.Anonymous(this=name, expressions=[given.expressions[0].copy()]) for name in ("LIST_MIN", "LIST_MAX"))
        return _joined(exp.And, [exp.LTE(this=first, expression=most), exp.GTE(this=last, expression=least)])
    return _joined(exp.Or, [_compared(exp.EQ, condition.this, value, named) for value in values]) if len(values) <= LISTED else None


def _span_of(column: exp.Expr, named: Names) -> tuple[str, str] | None:
    column = column.unnest()
    if not isinstance(column, exp.Column) or column.args.get("db") or not isinstance(column.this, exp.Identifier):
        return None
    return named.get((column.table.lower(), column.name.lower()))


def _in_place_of(column: exp.Expr, name: str) -> exp.Expr:
    """It keeps the column's type."""
    other = column.unnest().copy()
    other.set("this", exp.to_identifier(name, quoted=True))
    other.set("table", None)
    return other


def _is_day(value: exp.Expr) -> bool:
    return all(isinstance(node, OF_A_DAY) for node in value.walk()) and all(
        node.to.this == exp.DataType.Type.DATE for node in value.find_all(exp.Cast)
    )


def _joined(how: type[exp.And | exp.Or], parts: list[exp.Expr | None]) -> exp.Expr | None:
    """Of an OR nothing follows when of one of its sides nothing does."""
    known = [part for part in parts if part is not None]
    if not known or (how is exp.Or and len(known) < len(parts)):
        return None
    return exp.Paren(this=reduce(lambda one, other: how(this=one, expression=other), known))
