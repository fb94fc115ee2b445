"""What type each part of a statement has, as far as the dataset's columns, casts and literals tell."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Literal

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

Kind = Literal["int", "float", "numeric", "bignumeric", "bool", "text", "bytes", "date", "datetime", "timestamp", "time", "other"]
TAG = "node"
Type = exp.DataType.Type
KINDS: dict[exp.DType, Kind] = {
    Type.BOOLEAN: "bool",
    Type.DATE: "date",
    Type.DATE32: "date",
    Type.TIME: "time",
    Type.TIMESTAMPTZ: "timestamp",
    Type.TIMESTAMPLTZ: "timestamp",
    # GoogleSQL's TIMESTAMP is not this one: sqlglot reads it as TIMESTAMPTZ
    Type.TIMESTAMP: "datetime",
    Type.DATETIME: "datetime",
    Type.TIMESTAMPNTZ: "datetime",
    Type.BINARY: "bytes",
    Type.VARBINARY: "bytes",
    Type.BLOB: "bytes",
    Type.BIGDECIMAL: "bignumeric",
}
# Digits before the point, and after it.
NUMERIC_WHOLE, NUMERIC_SCALE = 29, 9
BIGNUMERIC_SCALE = 18
NUMERICS: tuple[Kind, ...] = ("numeric", "bignumeric")


class Kinds:
    def __init__(self, found: dict[int, Kind], types: dict[int, exp.DataType]) -> None:
        self._found, self._types = found, types

    def type_of(self, node: exp.Expr) -> exp.DataType | None:
        """With what it is made of, where that is known."""
        return self._types.get(node.meta.get(TAG, -1))

    def of(self, node: exp.Expr) -> Kind | None:
        if isinstance(node, exp.Paren):
            return self.of(node.this)
        return self._found.get(node.meta.get(TAG, -1))


def kinds_of(root: exp.Expr, columns: Mapping[str, Mapping[str, str]]) -> Kinds:
    """Works on a qualified twin of the statement, so that what is rendered stays as it was written."""
    for number, node in enumerate(root.walk()):
        # by number: the twin is made of copies, and its meta goes with each
        node.meta[TAG] = number
    schema = MappingSchema(dialect="bigquery", normalize=False)
    for relation in {table.name for table in root.find_all(exp.Table)} & set(columns):
        types = {column.lower(): data_type(kind) for column, kind in columns[relation].items()}
        schema.add_table(exp.Table(this=exp.to_identifier(relation, quoted=True)), types, dialect="bigquery")
    found: dict[int, Kind] = {}
    declared: dict[int, exp.DataType] = {}
    for query in _queries(root):
        try:
            # a column that cannot be placed is the engine's to refuse; here it only has no type
            twin = annotate_types(
                qualify(query, schema=schema, dialect="bigquery", validate_qualify_columns=False, quote_identifiers=False),
                schema=schema,
                dialect="bigquery",
            )
        except SqlglotError:
            continue  # the types stay unknown, and what depends on them is refused
        for node in twin.walk():
            kind = _kind(node.type)
            if kind and node.type and TAG in node.meta:
                found[node.meta[TAG]] = kind
                declared[node.meta[TAG]] = node.type
    return Kinds(found, declared)


@lru_cache(maxsize=4096)
def data_type(text: str) -> exp.DataType:
    return exp.DataType.build(text, dialect="duckdb")


def _queries(root: exp.Expr) -> Iterator[exp.Query]:
    """The statement as queries that sqlglot can type; a change is typed as a select of its expressions over its tables."""
    if isinstance(root, exp.Query):
        yield root.copy()
        return
    source = root.args.get("expression") if isinstance(root, exp.Insert) else None
    if isinstance(source, exp.Query):
        yield source.copy()
    if isinstance(root, exp.Update | exp.Delete | exp.Merge) and isinstance(root.this, exp.Table):
        parts = [node.copy() for node in _values(root)]
        query = exp.select(*parts).from_(root.this.copy())
        using = root.args.get("using") or root.args.get("from_")
        other = using.this if isinstance(using, exp.From) else using
        if isinstance(other, exp.Expr):
            query = query.join(other.copy(), join_type="cross")
        yield query


def _values(root: exp.Expr) -> Iterator[exp.Expr]:
    for node in root.find_all(exp.EQ, exp.Where, exp.Tuple):
        if isinstance(node, exp.Where):
            yield node.this
        elif isinstance(node, exp.EQ):
            yield node.expression
        else:
            yield from node.expressions
    if isinstance(root, exp.Merge) and isinstance(root.args.get("on"), exp.Expr):
        yield root.args["on"]


def _kind(found: exp.DataType | None) -> Kind | None:
    if found is None or found.this in (Type.UNKNOWN, Type.NULL):
        return None
    if found.this in exp.DataType.INTEGER_TYPES:
        return "int"
    if found.this in exp.DataType.FLOAT_TYPES:
        return "float"
    if found.this in exp.DataType.TEXT_TYPES:
        return "text"
    if found.this == Type.DECIMAL:
        return "bignumeric" if _scale(found) > NUMERIC_SCALE else "numeric"
    return KINDS.get(found.this, "other")


def _scale(found: exp.DataType) -> int:
    return int(found.expressions[1].name) if len(found.expressions) > 1 else 0
