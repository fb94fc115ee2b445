from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table, inspect
from sqlalchemy.engine import Connection
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement, DropTable
from sqlalchemy.sql.compiler import DDLCompiler

from src.core.ledger.model import LedgerModel, View


@dataclass(frozen=True, slots=True)
class BootstrapResult:
    tables_created: tuple[str, ...] = ()
    tables_existing: tuple[str, ...] = ()
    columns_added: tuple[str, ...] = ()
    views_created: tuple[str, ...] = ()
    views_existing: tuple[str, ...] = ()


class AddColumn(DDLElement):
    def __init__(self, table: Table, column: Column[Any]) -> None:
        self.table = table
        # rows that are there already have no value for it, whatever the schema file asks of new ones
        self.column = Column(column.name, column.type, nullable=True)


class CreateView(DDLElement):
    def __init__(self, view: View) -> None:
        self.view = view


class DropView(DDLElement):
    def __init__(self, view: View) -> None:
        self.view = view


@compiles(AddColumn)
def _add_column(element: AddColumn, compiler: DDLCompiler, **_options: object) -> str:
    return f"ALTER TABLE {compiler.preparer.format_table(element.table)} ADD COLUMN {compiler.get_column_specification(element.column)}"


@compiles(CreateView)
def _create_view(element: CreateView, compiler: DDLCompiler, **_options: object) -> str:
    return f"CREATE VIEW {compiler.preparer.quote(element.view.name)} AS {element.view.sql}"


@compiles(DropView)
def _drop_view(element: DropView, compiler: DDLCompiler, **_options: object) -> str:
    return f"DROP VIEW {compiler.preparer.quote(element.view.name)}"


def bootstrap(connection: Connection, model: LedgerModel, *, force: bool) -> BootstrapResult:
    inspector = inspect(connection)
    tables, views = set(inspector.get_table_names()), set(inspector.get_view_names())
    for view in model.views:
        # a view holds nothing; making it anew brings it up to date
        if view.name in views:
            connection.execute(DropView(view))
    if force:
        for name in tables & set(model.tables):
            connection.execute(DropTable(model.tables[name]))
        tables, views = set(), set()
    added = [
        f"{table.name}.{column}"
        for table in model.tables.values()
        for column in (_evolve(connection, inspector, table) if table.name in tables else _create(connection, table))
    ]
    for view in model.views:
        connection.execute(CreateView(view))
    return BootstrapResult(
        tables_created=tuple(name for name in model.tables if name not in tables),
        tables_existing=tuple(name for name in model.tables if name in tables),
        columns_added=tuple(added),
        views_created=tuple(view.name for view in model.views if view.name not in views),
        views_existing=tuple(view.name for view in model.views if view.name in views),
    )


def missing(connection: Connection, model: LedgerModel) -> tuple[str, ...]:
    inspector = inspect(connection)
    there = {*inspector.get_table_names(), *inspector.get_view_names()}
    return tuple(name for name in (*model.tables, *(view.name for view in model.views)) if name not in there)


def _create(connection: Connection, table: Table) -> Iterator[str]:
    connection.execute(CreateTable(table))
    _index(connection, table)
    return iter(())


def _evolve(connection: Connection, inspector: Inspector, table: Table) -> Iterator[str]:
    there = {column["name"] for column in inspector.get_columns(table.name)}
    lacking = [column for column in table.columns if column.name not in there]
    for column in lacking:
        connection.execute(AddColumn(table, column))
    _index(connection, table)
    return (column.name for column in lacking)


def _index(connection: Connection, table: Table) -> None:
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        connection.execute(CreateIndex(index, if_not_exists=True))
