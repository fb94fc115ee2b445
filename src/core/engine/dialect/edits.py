"""How a rule changes a statement: what stands in a node's place means what the node meant."""

from collections.abc import Callable

from sqlglot import exp

from src.core.base.faults import Rejected
from src.core.engine.dialect.types import TAG, Kinds

Rule = Callable[[exp.Expr, Kinds], None]


def put(node: exp.Expr, other: exp.Expr) -> None:
    """What stands in a node's place means what the node meant, so it keeps the node's kind."""
    other.meta[TAG] = node.meta.get(TAG, -1)
    node.replace(other)


def wrap(node: exp.Expr, build: Callable[[exp.Expr], exp.Expr]) -> None:
    # something keeps its place: what is built becomes the node's parent, and the node then stands nowhere else
    place = exp.Null()
    put(node, place)
    put(place, build(node))


def whole(aggregate: exp.Expr) -> exp.Expr:
    """The aggregate with the OVER, FILTER and null treatment that belong to it."""
    node = aggregate
    while isinstance(node.parent, exp.Window | exp.Filter | exp.IgnoreNulls | exp.RespectNulls) and node.parent.this is node:
        node = node.parent
    return node


def as_type(kind: str) -> Callable[[exp.Expr], exp.Expr]:
    return lambda node: exp.Cast(this=node, to=exp.DataType.build(kind, dialect="duckdb"))


def refused(node: exp.Expr, reason: str) -> Rejected:
    return Rejected(f"{node.sql(dialect='bigquery')[:120]}: {reason}")


def failure(reason: str) -> exp.Expr:
    return exp.Anonymous(this="ERROR", expressions=[exp.Literal.string(reason)])


def fails_when(wrong: exp.Expr, reason: str) -> Callable[[exp.Expr], exp.Expr]:
    """The value, or the error that BigQuery makes where DuckDB would answer."""
    return lambda whole: exp.Paren(this=exp.Case(ifs=[exp.If(this=wrong, true=failure(reason))], default=whole))


def whole_number(node: exp.Expr | None) -> int | None:
    """Of a literal, with its sign."""
    if isinstance(node, exp.Paren | exp.Neg):
        inner = whole_number(node.this)
        return -inner if isinstance(node, exp.Neg) and inner is not None else inner
    return int(node.name) if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit() else None
