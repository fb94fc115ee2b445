from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Column, Table, inspect
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement, DropTable
from sqlalchemy.sql.compiler import DDLCompiler

from src.core.ledger.model import LedgerModel, View


@dataclass(frozen=True, slots=True)
class BootstrapResult:
    """The customer's tables and views, and beside them the platform's own."""

    tables_created: tuple[str, ...] = ()
    tables_existing: tuple[str, ...] = ()
    columns_added: tuple[str, ...] = ()
    views_created: tuple[str, ...] = ()
    views_existing: tuple[str, ...] = ()
    platform_tables_created: tuple[str, ...] = ()
    platform_tables_existing: tuple[str, ...] = ()
    platform_views_created: tuple[str, ...] = ()
    platform_views_existing: tuple[str, ...] = ()


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


class Structure(Protocol):
    """The tables and views that are there, and how they are changed."""

    def tables(self) -> set[str]: ...

    def views(self) -> set[str]: ...

    def create(self, table: Table) -> bool:
        """False when somebody else has made it in between."""
        ...

    def evolve(self, table: Table) -> list[str]:
        """The names of the columns that lacked."""
        ...

    def drop(self, table: Table) -> None: ...

    def clear(self, view: View) -> None:
        """A view that is there, before the tables it reads are changed."""
        ...

    def show(self, view: View) -> None: ...


class SqlStructure:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inspector = inspect(connection)

    def tables(self) -> set[str]:
        return set(self._inspector.get_table_names())

    def views(self) -> set[str]:
        return set(self._inspector.get_view_names())

    def create(self, table: Table) -> bool:
        self._connection.execute(CreateTable(table))
        self._index(table)
        return True

    def evolve(self, table: Table) -> list[str]:
        there = {column["name"] for column in self._inspector.get_columns(table.name)}
        lacking = [column for column in table.columns if column.name not in there]
        for column in lacking:
            self._connection.execute(AddColumn(table, column))
        # a table that is there gets the indexes that a newer release adds
        self._index(table)
        return [column.name for column in lacking]

    def drop(self, table: Table) -> None:
        self._connection.execute(DropTable(table))

    def clear(self, view: View) -> None:
        self._connection.execute(DropView(view))

    def show(self, view: View) -> None:
        self._connection.execute(CreateView(view))

    def _index(self, table: Table) -> None:
        # SQLAlchemy keeps them in a set, without an order
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            self._connection.execute(CreateIndex(index, if_not_exists=True))


def bootstrap(place: Connection | Structure, model: LedgerModel, *, force: bool) -> BootstrapResult:
    structure = _structure(place)
    tables, views = structure.tables(), structure.views()
    # before the tables: PostgreSQL drops none that a view reads
    for view in model.views:
        # a view holds nothing; making it anew brings it up to date
        if view.name in views:
            structure.clear(view)
    if force:
        # what else is kept in the same database or dataset is not ours to drop
        for name in tables & set(model.tables):
            structure.drop(model.tables[name])
        tables, views = set(), set()
    created = [name for name, table in model.tables.items() if name not in tables and structure.create(table)]
    # one that another made meanwhile may be of another release, so it is evolved like the rest
    existing = [name for name in model.tables if name not in created]
    added = [f"{name}.{column}" for name in existing for column in structure.evolve(model.tables[name])]
    for view in model.views:
        structure.show(view)
    shown = [view.name for view in model.views if view.name not in views]
    stood = [view.name for view in model.views if view.name in views]
    told = {"tables_created": created, "tables_existing": existing, "views_created": shown, "views_existing": stood}
    own = {field: tuple(name for name in names if name not in model.platform) for field, names in told.items()}
    platform = {f"platform_{field}": tuple(name for name in names if name in model.platform) for field, names in told.items()}
    return BootstrapResult(columns_added=tuple(added), **own, **platform)


def missing(place: Connection | Structure, model: LedgerModel) -> tuple[str, ...]:
    structure = _structure(place)
    there = structure.tables() | structure.views()
    return tuple(name for name in (*model.tables, *(view.name for view in model.views)) if name not in there)


def _structure(place: Connection | Structure) -> Structure:
    return SqlStructure(place) if isinstance(place, Connection) else place
