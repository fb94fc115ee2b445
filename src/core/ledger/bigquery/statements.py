"""Statements as BigQuery takes them: GoogleSQL with typed, named parameters, and rows as the other engines give them."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from google.cloud.bigquery import (
    ArrayQueryParameter,
    ScalarQueryParameter,
    ScalarQueryParameterType,
    StructQueryParameter,
    StructQueryParameterType,
)
from sqlalchemy import BigInteger, Boolean, Date, Delete, Integer, Select, Table, Text, Update, true
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine
from sqlalchemy_bigquery import BigQueryDialect  # type: ignore[import-untyped]
from sqlalchemy_bigquery.base import BQClassTaggedStr, BQTimestamp  # type: ignore[import-untyped]

from src.core.ledger.columns import Instant, Json, Money
from src.core.ledger.unit import Params, Row

Parameter = ScalarQueryParameter | ArrayQueryParameter

PLACEHOLDER = re.compile(r"%\((\w+)(?::[^)]*)?\)s|%%")
KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (Instant, "TIMESTAMP"),
    (Money, "NUMERIC"),
    (Json, "JSON"),
    (Text, "STRING"),
    (BigInteger, "INT64"),
    (Boolean, "BOOL"),
    (Date, "DATE"),
    (Integer, "INT64"),
)
# a bool is an int too, so it is asked for first
PLAIN: tuple[tuple[type, str], ...] = ((bool, "BOOL"), (int, "INT64"), (str, "STRING"))


class LedgerDialect(BigQueryDialect):  # type: ignore[misc]  # the package has no types
    # their types for days and moments lack what SQLAlchemy 2.1 asks of a type that is compiled
    colspecs: ClassVar[dict[Any, Any]] = {
        kind: own for kind, own in BigQueryDialect.colspecs.items() if own not in (BQClassTaggedStr, BQTimestamp)
    }


DIALECT = LedgerDialect(paramstyle="pyformat")


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    parameters: tuple[Parameter, ...]
    results: tuple[Any, ...]
    """What makes of each selected value what the caller expects; none for text, which is answered as it comes."""

    def rows(self, found: Iterable[Any]) -> list[Row]:
        listed = list(found)
        names = list(listed[0].keys()) if listed else []
        values = [self._row(row.values()) for row in listed]
        result: IteratorResult[Any] = IteratorResult(SimpleResultMetaData(names), iter(values))
        return list(result.all())

    def _row(self, values: Sequence[Any]) -> tuple[Any, ...]:
        if not self.results:
            return tuple(values)
        return tuple(process(value) if process else value for process, value in zip(self.results, values, strict=True))


def compiled(statement: Executable, params: Params | None = None) -> Statement:
    if not isinstance(statement, ClauseElement):
        raise TypeError(f"a {type(statement).__name__} cannot be compiled")
    keys = list(params or {}) if getattr(statement, "is_insert", False) else None
    made: Any = _whole(statement).compile(dialect=DIALECT, column_keys=keys)
    given = made.construct_params(dict(params or {}), escape_names=False)
    parameters = tuple(_parameter(name, made.binds[name].type, value) for name, value in given.items())
    documents = frozenset(name for name in given if isinstance(made.binds[name].type, Json))
    return Statement(PLACEHOLDER.sub(partial(_named, documents), str(made)), parameters, _results(statement))


def _whole(statement: Any) -> Any:
    """A change of all rows has to say so."""
    if isinstance(statement, Delete | Update) and statement.whereclause is None:
        return statement.where(true())
    return statement


def insert_unless(table: Table, values: Params, taken: Sequence[Sequence[str]]) -> Statement:
    """Inserts these values unless a row has the same ones in any of the sets of columns."""
    quote = DIALECT.identifier_preparer.quote
    name = quote(table.name)
    columns = ", ".join(quote(column) for column in values)
    given = ", ".join(f"@p_{column}" for column in values)
    sql = f"INSERT INTO {name} ({columns}) SELECT {given} FROM (SELECT 1) WHERE NOT EXISTS (SELECT 1 FROM {name} WHERE {_same(taken)})"
    return Statement(sql, _parameters(table, values), ())


def insert_lacking(table: Table, rows: Sequence[Params]) -> Statement:
    """Inserts those of which the key is not there."""
    quote = DIALECT.identifier_preparer.quote
    name = quote(table.name)
    columns = ", ".join(quote(column) for column in rows[0])
    given = ", ".join(f"given.{quote(column)}" for column in rows[0])
    sql = (
        f"INSERT INTO {name} ({columns}) SELECT {given} FROM UNNEST(@p_rows) AS given "
        f"WHERE NOT EXISTS (SELECT 1 FROM {name} AS kept WHERE {_of_one_key(table)})"
    )
    return Statement(sql, _listed(table, rows), ())


def renewing(table: Table, rows: Sequence[Params], by: str) -> Statement:
    """Puts each in the place of the row with its key, unless that one is newer by this column."""
    quote = DIALECT.identifier_preparer.quote
    told = (quote(column) for column in rows[0] if column not in table.primary_key.columns)
    values = ", ".join(f"{column} = given.{column}" for column in told)
    older = f"kept.{quote(by)} <= given.{quote(by)}"
    sql = f"UPDATE {quote(table.name)} AS kept SET {values} FROM UNNEST(@p_rows) AS given WHERE {_of_one_key(table)} AND {older}"
    return Statement(sql, _listed(table, rows), ())


def having(table: Table, values: Params, taken: Sequence[Sequence[str]], but: Sequence[str] = ()) -> Statement:
    """The first row with the same values in any of the sets of columns, and others in `but`."""
    quote = DIALECT.identifier_preparer.quote
    other = f" AND NOT ({_same([but])})" if but else ""
    sql = f"SELECT 1 AS there FROM {quote(table.name)} WHERE ({_same(taken)}){other} LIMIT 1"
    named = {column: values[column] for column in {*but, *(column for columns in taken for column in columns)}}
    return Statement(sql, _parameters(table, named), ())


def removing(table: Table, values: Params, columns: Sequence[str]) -> Statement:
    quote = DIALECT.identifier_preparer.quote
    sql = f"DELETE FROM {quote(table.name)} WHERE {_same([columns])}"
    return Statement(sql, _parameters(table, {column: values[column] for column in columns}), ())


def _same(taken: Sequence[Sequence[str]]) -> str:
    quote = DIALECT.identifier_preparer.quote
    return " OR ".join("(" + " AND ".join(f"{quote(column)} = @p_{column}" for column in columns) + ")" for columns in taken)


def _of_one_key(table: Table) -> str:
    """Between the least and the greatest of each column besides, for what is joined prunes neither partitions nor clusters."""
    names = [(DIALECT.identifier_preparer.quote(column.name), column.name) for column in table.primary_key]
    return " AND ".join(
        f"kept.{quoted} = given.{quoted} AND kept.{quoted} BETWEEN @p_least_{name} AND @p_most_{name}" for quoted, name in names
    )


def _listed(table: Table, rows: Sequence[Params]) -> tuple[Parameter, ...]:
    kinds = {column: _kind(table.c[column].type, None) for column in rows[0]}
    # the type's fields are named, as those of the values are
    kind = StructQueryParameterType(*(ScalarQueryParameterType(named, name=column) for column, named in kinds.items()))
    given = [
        StructQueryParameter(
            None, *(ScalarQueryParameter(column, named, _bound(table.c[column].type, values[column])) for column, named in kinds.items())
        )
        for values in rows
    ]
    bounds = [
        _parameter(f"{end}_{column.name}", column.type, pick(values[column.name] for values in rows))
        for column in table.primary_key
        for end, pick in (("least", min), ("most", max))
    ]
    return (ArrayQueryParameter("p_rows", kind, given), *bounds)


def _parameters(table: Table, values: Params) -> tuple[Parameter, ...]:
    return tuple(_parameter(column, table.c[column].type, value) for column, value in values.items())


def _named(documents: Collection[str], placeholder: re.Match[str]) -> str:
    name = placeholder[1]
    if not name:
        return "%"
    # the emulator takes an assignment for a comparison, which JSON has none of; within a subquery it does not look
    return f"(SELECT @p_{name})" if name in documents else f"@p_{name}"


def _parameter(name: str, kind: TypeEngine[Any], value: Any) -> Parameter:
    # a name of ours may be a word of the language
    name = f"p_{name}"
    if isinstance(value, list | tuple) and not isinstance(kind, Json):
        return ArrayQueryParameter(name, _kind(kind, value[0] if value else ""), [_bound(kind, one) for one in value])
    return ScalarQueryParameter(name, _kind(kind, value), _bound(kind, value))


def _bound(kind: TypeEngine[Any], value: Any) -> Any:
    return kind.process_bind_param(value, DIALECT) if isinstance(kind, Instant | Money | Json) else value


def _kind(kind: TypeEngine[Any], value: Any) -> str:
    for ours, name in KINDS:
        if isinstance(kind, ours):
            return name
    for plain, name in PLAIN:
        if isinstance(value, plain):
            return name
    return "STRING"


def _results(statement: ClauseElement) -> tuple[Any, ...]:
    if not isinstance(statement, Select):
        return ()
    return tuple(_result(column.type) for column in statement.selected_columns)


def _result(kind: TypeEngine[Any]) -> Any:
    if not isinstance(kind, Instant | Money | Json):
        return None
    return lambda value: kind.process_result_value(value, DIALECT)
