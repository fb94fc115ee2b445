"""GoogleSQL over the sandbox's tables: read by the service's own dialect, which says what it cannot answer, and run on DuckDB."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import sqlglot
from sqlglot import exp

from src.core.base.faults import Fault
from src.core.engine.dialect.rendering import Catalogue
from src.core.engine.dialect.statements import READ, is_common
from src.core.engine.values import bound_values, plain_batch
from src.sandbox.gcp.account_rows import FIRST_DAY
from src.sandbox.gcp.arrow import arrow_type
from src.sandbox.gcp.cells import row
from src.sandbox.gcp.exports import Exports, ReadableDay
from src.sandbox.gcp.problems import Failed, GoogleProblem, Json
from src.sandbox.gcp.rights import require_rows
from src.sandbox.gcp.schema import ExportField, fields_of
from src.sandbox.gcp.tokens import Bearer

MOST_ROWS: Final = 10_000  # more are read through the Storage API, which knows no results of questions here
BATCH_ROWS: Final = 2_000
# whoever asks writes the SQL: it may neither reach files of this machine nor fill its memory
LIMITS: Final[dict[str, str | bool | int | float | list[str]]] = {"memory_limit": "512MB", "threads": 1, "enable_external_access": False}
DAYS: Final = "x_days"
PSEUDO: Final = {"_PARTITIONTIME": pa.timestamp("us", tz="UTC"), "_PARTITIONDATE": pa.date32()}
WITH_PSEUDO: Final = "*, date_trunc('day', export_time) AS _PARTITIONTIME, CAST(export_time AS DATE) AS _PARTITIONDATE"
READERS: Final[Mapping[str, Any]] = {
    "STRING": str,
    **dict.fromkeys(("INT64", "INTEGER"), int),
    **dict.fromkeys(("FLOAT64", "FLOAT"), float),
    **dict.fromkeys(("NUMERIC", "BIGNUMERIC"), Decimal),
    **dict.fromkeys(("BOOL", "BOOLEAN"), lambda text: str(text).lower() == "true"),
    "DATE": date.fromisoformat,
    "DATETIME": datetime.fromisoformat,
    "TIMESTAMP": lambda text: _moment(datetime.fromisoformat(text.replace(" UTC", "+00:00"))),
}


@dataclass(frozen=True, slots=True)
class SelectedRows:
    fields: Sequence[Json]
    rows: Sequence[Json]
    tables: Sequence[Json]
    """That were read, as Google refers to them."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A table where the statement names it."""

    name: str
    node: exp.Table
    project: str
    dataset: str
    table: str


def answered(
    exports: Exports, bearer: Bearer, project: str, text: str, parameters: Sequence[Json], *, dry: bool, whole: bool
) -> SelectedRows:
    """`project` is the one that a table named without any lies in; `whole` asks for moments in microseconds."""
    values = {str(one.get("name")): _value(one) for one in parameters}
    try:
        root = _parsed(text)
        places = list(_places(root, project))
        for place in places:
            require_rows(bearer, place.project, place.dataset, place.table)
        with duckdb.connect(config=LIMITS) as database:
            # DuckDB would take the machine's zone, and cut days by that
            database.execute("SET TimeZone = 'UTC'")
            columns = {
                place.name: _registered(database, exports, place, () if dry else _days(database, exports, place, values))
                for place in places
            }
            tables = [{"projectId": place.project, "datasetId": place.dataset, "tableId": place.table} for place in places]
            for place in places:
                _renamed(place)
            fields, rows = _run(database, Catalogue(columns), root, values, dry=dry, whole=whole)
            return SelectedRows(fields, rows, tables)
    except Fault as refused:
        raise _invalid(refused.detail) from refused
    except duckdb.Error as refused:
        raise _invalid(str(refused).splitlines()[0]) from refused


def _run(
    database: duckdb.DuckDBPyConnection, catalogue: Catalogue, root: exp.Expr, values: Mapping[str, Any], *, dry: bool, whole: bool
) -> tuple[list[Json], list[Json]]:
    rendered = catalogue.render(root.sql(dialect=READ))
    found = database.sql(rendered.sql, params=bound_values(values, rendered.parameters))
    reader = (found.limit(0) if dry else found).to_arrow_reader(BATCH_ROWS)
    shown = [name for name in reader.schema.names if name.upper() not in PSEUDO]  # which `*` does not name in BigQuery
    rows: list[Json] = []
    for batch in reader:
        rows += (row(list(one.values()), whole=whole) for one in plain_batch(batch).select(shown).to_pylist())
        if len(rows) > MOST_ROWS:
            raise Failed(
                GoogleProblem(400, "INVALID_ARGUMENT", "responseTooLarge", f"Response too large: the sandbox answers {MOST_ROWS:,} rows")
            )
    return [_field(reader.schema.field(name)) for name in shown], rows


def _parsed(text: str) -> exp.Expr:
    try:
        [root] = sqlglot.parse(text, read=READ)
    except (sqlglot.errors.SqlglotError, ValueError) as wrong:
        raise _invalid(f"Syntax error: {str(wrong).splitlines()[0]}") from wrong
    if not isinstance(root, exp.Query):
        raise _invalid("only SELECT is served here")
    return root


def _places(root: exp.Expr, project: str) -> Iterator[_Place]:
    for number, node in enumerate(root.find_all(exp.Table)):
        if not node.db and is_common(node):
            continue
        if not node.db:
            raise _invalid(f'Table "{node.name}" must be qualified with a dataset (e.g. dataset.table).')
        # by number: tables of two projects may have one name
        yield _Place(f"table_{number}", node, node.catalog or project, node.db, node.name)


def _renamed(place: _Place) -> None:
    """To a name of this statement alone; what the statement calls it by stays."""
    node = place.node
    if not node.alias:
        node.set("alias", exp.TableAlias(this=exp.to_identifier(place.table, quoted=True)))
    node.set("this", exp.to_identifier(place.name))
    node.set("db", None)
    node.set("catalog", None)


def _registered(database: duckdb.DuckDBPyConnection, exports: Exports, place: _Place, days: Sequence[ReadableDay]) -> dict[str, str]:
    """The columns with DuckDB's types. Rows of a day were all written on it, which is what the pseudo columns say."""
    schema = pa.schema([pa.field(field.name, arrow_type(field)) for field in fields_of(place.project, place.table, exports.today())])
    files = [str(day.file) for day in days]
    rows = database.from_arrow(ds.dataset(files, schema=schema, format="ipc") if files else schema.empty_table())
    return _named(rows.project(WITH_PSEUDO), place.name)


def _named(rows: duckdb.DuckDBPyRelation, name: str) -> dict[str, str]:
    """Registers these rows under the name, and tells their columns with DuckDB's types."""
    rows.create_view(name)
    return {column: str(kind) for column, kind in zip(rows.columns, rows.types, strict=True)}


def _days(database: duckdb.DuckDBPyConnection, exports: Exports, place: _Place, values: Mapping[str, Any]) -> list[ReadableDay]:
    """Those that the statement's own conditions on the pseudo columns leave: a day is made when it is first asked for."""
    every = exports.partitions(place.project, place.table, FIRST_DAY, exports.today())
    terms = list(_terms(place))
    if not terms or not every:
        return every
    days = {"_PARTITIONTIME": [datetime.combine(one.day, time(), UTC) for one in every], "_PARTITIONDATE": [one.day for one in every]}
    types = _named(database.from_arrow(pa.table(days, schema=pa.schema(PSEUDO))), DAYS)
    wanted = exp.select("_PARTITIONDATE").from_(DAYS).where(*terms)
    rendered = Catalogue({DAYS: types}).render(wanted.sql(dialect=READ))
    left = {day for (day,) in database.execute(rendered.sql, bound_values(values, rendered.parameters)).fetchall()}
    return [one for one in every if one.day in left]


def _terms(place: _Place) -> Iterator[exp.Expr]:
    """Conditions of the SELECT that reads this table which name its pseudo columns and nothing else."""
    select = place.node.parent_select
    where = select.args.get("where") if isinstance(select, exp.Select) else None
    if where is None or not isinstance(select, exp.Select):
        return
    # beside others, a column without a table's name may be any one's
    alone = not select.args.get("joins")
    names = {place.node.alias_or_name, *([""] if alone else [])}
    for term in where.this.flatten() if isinstance(where.this, exp.And) else (where.this,):
        columns = list(term.find_all(exp.Column))
        ours = columns and all(column.name.upper() in PSEUDO and column.table in names for column in columns)
        # a query inside would read tables that this look at the days does not have
        if ours and not term.find(exp.Query):
            copy = term.copy()
            for column in copy.find_all(exp.Column):
                column.set("table", None)
            yield copy


def _value(parameter: Json) -> Any:
    kind, value = parameter.get("parameterType") or {}, parameter.get("parameterValue") or {}
    if kind.get("type") == "ARRAY":
        inner = kind.get("arrayType") or {}
        return [_read(inner.get("type"), one.get("value")) for one in value.get("arrayValues") or ()]
    return _read(kind.get("type"), value.get("value"))


def _read(kind: object, text: Any) -> Any:
    reader = READERS.get(str(kind))
    if reader is None:
        raise _invalid(f"the sandbox takes no parameters of type {kind}; it takes {', '.join(READERS)} and arrays of them")
    try:
        return None if text is None else reader(text)
    except (ValueError, ArithmeticError):
        raise _invalid(f"Could not parse {str(text)[:80]!r} as {kind}") from None


def _moment(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _field(field: pa.Field) -> Json:
    kind = field.type
    if pa.types.is_list(kind):
        return {**_field(pa.field(field.name, kind.value_type)), "mode": "REPEATED"}
    if pa.types.is_struct(kind):
        return {"name": field.name, "type": "RECORD", "mode": "NULLABLE", "fields": [_field(one) for one in kind]}
    return ExportField(field.name, _type(kind)).as_bigquery()


def _type(kind: pa.DataType) -> str:
    if kind == pa.decimal128(38, 0):
        return "INTEGER"  # DuckDB's sum of whole numbers
    if pa.types.is_decimal(kind):
        return "NUMERIC" if kind.scale <= arrow_type(ExportField("", "NUMERIC")).scale else "BIGNUMERIC"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz else "DATETIME"
    known = (
        (pa.types.is_boolean, "BOOLEAN"),
        (pa.types.is_integer, "INTEGER"),
        (pa.types.is_floating, "FLOAT"),
        (pa.types.is_date, "DATE"),
        (pa.types.is_time, "TIME"),
        (pa.types.is_binary, "BYTES"),
    )
    return next((name for fits, name in known if fits(kind)), "STRING")


def _invalid(message: str) -> Failed:
    return Failed(GoogleProblem(400, "INVALID_ARGUMENT", "invalidQuery", message))
