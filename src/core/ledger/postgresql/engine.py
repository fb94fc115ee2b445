"""The ledger in PostgreSQL: many processes read and write it at once.

A writing unit is a transaction at READ COMMITTED: an UPDATE or DELETE looks at its own row again once it has it, but not at other rows.
Where an operation decides by other rows, it says so with `Unit.hold`, or takes its row with `Unit.pick`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

import psycopg
from psycopg.pq.abc import PGresult
from psycopg.types.string import StrDumper
from sqlalchemy import Select, String, Table, Update, bindparam, create_engine, event, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL, Connection, Dialect, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.base import Executable

from src.core.base.faults import Misconfigured, Unavailable
from src.core.base.settings import Settings
from src.core.ledger.model import LedgerModel
from src.core.ledger.postgresql.faults import BAD_OPTIONS, CUT_SHORT, OUTCOME_UNKNOWN, READ_ONLY, Dropped, broke_off, fault_of, refusal_of
from src.core.ledger.postgresql.links import PostgresqlLink, PostgresqlLinks
from src.core.ledger.postgresql.statements import NUL, STANDS_FOR_NUL, PreparedStatement
from src.core.ledger.postgresql.wire import PostgresqlWire, Said
from src.core.ledger.turnstile import OnePerThread
from src.core.ledger.unit import Build, LedgerTraits, Params, Row, Tables, Unit

TURN_SECONDS = 20.0  # in this process's queue for a connection
CONNECTION = {
    "application_name": "convergence",
    "connect_timeout": 5,
    # a server that is gone without a word is given up after half a minute
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
}

# at READ COMMITTED each statement would see a moment of its own, and a reading unit sees one
SNAPSHOT = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
WRITING = b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
UNWAITING = Said(b"SET LOCAL synchronous_commit = off")
# whatever the server, the database and the role have set: READERS know ISO dates only, and who is told of a COMMIT relies on it
# a unit that does nothing for a minute holds up others
SESSION = (
    b"SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET client_encoding = 'UTF8'; SET synchronous_commit = on; "
    b"SET statement_timeout = '30s'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'"
)
# an index over what is there already takes its time
CHANGING = WRITING + b"; SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '10min'"
# two processes that start at once would both make the tables
ALONE = b"SELECT pg_advisory_xact_lock(hashtextextended('convergence ledger bootstrap', 0))"
# a standby answers every read, and would be taken for sound until the first write
WRITABLE = b"SELECT current_setting('transaction_read_only')"

PostgresError = (DBAPIError, psycopg.Error)
EXAMPLE = "LEDGER_URL=postgresql+psycopg://user:password@host/database"

T = TypeVar("T")


def open_engine(settings: Settings, url: URL, model: LedgerModel) -> "PostgresqlEngine":
    if url.drivername not in ("postgresql", "postgresql+psycopg") or not url.database:
        raise Misconfigured(f"LEDGER_URL must name psycopg as its driver, and a database; write it like {EXAMPLE}")
    try:
        return PostgresqlEngine(url.set(drivername="postgresql+psycopg"), settings.ledger_connections, model)
    except ArgumentError:
        raise Misconfigured(BAD_OPTIONS) from None


class TextDumper(StrDumper):
    def dump(self, obj: str) -> Any:
        # PostgreSQL's texts have no NUL, and a name or a message that somebody sends may
        return super().dump(obj.replace(NUL, STANDS_FOR_NUL))


class PostgresqlUnit(Unit):
    def __init__(self, link: PostgresqlLink, engine: "PostgresqlEngine", *, writes: bool) -> None:
        super().__init__(link.connection, engine.model.tables, engine.kept, writes=writes)
        self._link = link
        self._engine = engine
        self._held: set[str] = set()

    def change(self, statement: Executable | Build[Any], params: Params | Sequence[Params] | None = None) -> int:
        if isinstance(statement, Executable) or not (params is None or isinstance(params, Mapping)):
            self._link.wire.flush()
            return super().change(statement, params)
        self._check_writes()
        return self._engine.prepared(statement, statement).rows(self._link.wire, params)

    def changed(self, build: Build[Update], seen: Build[Select[Any]], params: Params) -> Sequence[Any] | None:
        return self._changed(build, seen).first(self._link.wire, params)

    def changed_soon(self, build: Build[Update], seen: Build[Select[Any]], params: Params) -> Callable[[], Sequence[Any] | None]:
        kept, answers = self._changed(build, seen), list[PGresult]()
        kept.later(self._link.wire, params, told=answers.append)
        return lambda: kept.row(answers[0])

    def _changed(self, build: Build[Update], seen: Build[Select[Any]]) -> PreparedStatement:
        self._check_writes()
        return self._engine.prepared((build, seen), lambda tables: build(tables).returning(*seen(tables).selected_columns))

    def change_surely(self, build: Build[Any], params: Params, otherwise: Exception) -> None:
        self._check_writes()
        kept = self._engine.prepared((build, found_one), lambda tables: found_one(build(tables)))
        kept.later(self._link.wire, params, otherwise)

    def insert_surely(self, table: Table, values: Params, otherwise: Exception) -> None:
        self._check_writes()

        def once(_: Tables) -> Select[Any]:
            # a statement within another is not told its columns by the compiler, and parameters may not be named as columns are
            given = {column: bindparam(f"new_{column}", type_=table.c[column].type) for column in values}
            return found_one(insert(table).values(given).on_conflict_do_nothing())

        kept = self._engine.prepared((table.name, found_one, *values), once)
        kept.later(self._link.wire, {f"new_{column}": value for column, value in values.items()}, otherwise)

    def forgettable(self) -> None:
        self._link.wire.later(UNWAITING)

    def change_later(self, build: Build[Any], params: Params) -> None:
        self._check_writes()
        self._engine.prepared(build, build).later(self._link.wire, params)

    def insert_once(self, table: Table, values: Params) -> bool:
        return self._once(table, values).rows(self._link.wire, values) == 1

    def insert_later(self, table: Table, values: Params) -> None:
        self._once(table, values).later(self._link.wire, values)

    def _once(self, table: Table, values: Params) -> PreparedStatement:
        self._check_writes()
        columns = list(values)
        return self._engine.prepared((table.name, *columns), lambda _: insert(table).on_conflict_do_nothing(), columns)

    def first(self, select: Executable, params: Params | None = None) -> Row | None:
        self._link.wire.flush()
        return super().first(select, params)

    def rows(self, select: Executable, params: Params | None = None) -> list[Row]:
        self._link.wire.flush()
        return super().rows(select, params)

    def point(self, build: Build[Select[Any]], params: Params) -> Sequence[Any] | None:
        return self._engine.prepared(build, build).first(self._link.wire, params)

    def hold(self, name: str) -> None:
        if name not in self._held:
            self._check_writes()
            # a statement of its own: the snapshot of the one that decides must be younger than the lock
            # it lasts to the end of the transaction, so once is enough
            self._engine.prepared(_hold, _hold).later(self._link.wire, {"name": name})
            self._held.add(name)

    def pick(self, build: Build[Select[Any]], params: Params, apart: Sequence[str]) -> Sequence[Any] | None:
        self._check_writes()
        kept = self._engine.prepared((build, *apart), lambda tables: _picked(build(tables), apart))
        return kept.first(self._link.wire, params)


def found_one(change: Any) -> Select[Any]:
    """Fails where nothing was changed, and with it the transaction, so that a COMMIT may go along."""
    done = change.returning(literal(1).label("one")).cte("done")
    return select(literal(1) // func.count()).select_from(done)


def _hold(_: Tables) -> Select[Any]:
    return select(literal(1)).select_from(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("name", type_=String()), 0)))


def _picked(query: Select[Any], apart: Sequence[str]) -> Select[Any]:
    """The inner query gives row after row until one has its lock free; without its OFFSET the planner would take the locks of all first."""
    [table] = {col.table for col in query.selected_columns}
    inner = query.limit(None).offset(0).with_for_update(skip_locked=True, of=table).subquery("waiting")
    # no slug has a bar in it, so that no two pairs give the same text
    parts = [part for name in apart for part in (literal("|"), inner.c[name])][1:]
    key = func.concat(*parts)
    # seed 1, so that what is picked and what is held have locks apart
    return select(*inner.c).where(func.pg_try_advisory_xact_lock(func.hashtextextended(key, 1))).limit(1)


class PostgresqlEngine:
    traits = LedgerTraits(inline_reads=False, one_machine=False, undoes=True, polled=True, news_seconds=0.5)

    def __init__(self, url: URL, connections: int, model: LedgerModel) -> None:
        self.model = model
        self.kept: dict[Build[Any], Any] = {}
        self._prepared: dict[Any, PreparedStatement] = {}
        self._dialect: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
        self._writing = OnePerThread()
        self._numbers = count()
        self._engine = _toolkit(url)
        self._links = PostgresqlLinks(self._link, connections)

    def prepared(self, key: Any, build: Build[Any], columns: Sequence[str] | None = None) -> PreparedStatement:
        found = self._prepared.get(key)
        if found is None:
            made = PreparedStatement(next(self._numbers), build(self.model.tables), self._dialect, columns)
            found = self._prepared.setdefault(key, made)
        return found

    @contextmanager
    def reading(self) -> Iterator[Unit]:
        with self._transaction(SNAPSHOT) as link:
            yield PostgresqlUnit(link, self, writes=False)

    def glance(self, op: Callable[[Unit], T]) -> T:
        try:
            return self._glance(op)
        except Dropped:
            return self._glance(op)

    @contextmanager
    def writing(self) -> Iterator[Unit]:
        with self._writing.taken(), self._transaction(WRITING) as link:
            yield PostgresqlUnit(link, self, writes=True)

    @contextmanager
    def restructuring(self) -> Iterator[tuple[Connection, Unit]]:
        with self._writing.taken(), self._transaction(CHANGING) as link:
            link.wire.say(ALONE)
            yield link.connection, PostgresqlUnit(link, self, writes=True)

    @contextmanager
    def inspecting(self) -> Iterator[Connection]:
        with self._transaction(SNAPSHOT) as link:
            yield link.connection

    def check(self) -> None:
        link = self._links.idle()
        if link is not None:
            try:
                return _check_writable(link)
            except Dropped:
                self._links.forget(link)
            finally:
                self._links.keep(link)
        # beside those that units may have: all of them being in use is nothing wrong
        fresh = self._link()
        try:
            _check_writable(fresh)
        finally:
            fresh.close()

    def close(self) -> None:
        self._links.close()
        self._engine.dispose()

    def _glance(self, op: Callable[[Unit], T]) -> T:
        link = self._links.take(TURN_SECONDS)
        try:
            return op(PostgresqlUnit(link, self, writes=False))
        except PostgresError as wrong:
            raise self._fault(wrong, link).with_traceback(wrong.__traceback__) from None
        finally:
            self._links.give_back(link)

    @contextmanager
    def _transaction(self, begin: bytes) -> Iterator[PostgresqlLink]:
        link = self._begun(begin)
        try:
            yield link
            # what only read is rolled back when the link is given back, which is as good
            if begin is not SNAPSHOT:
                _commit(link)
        except PostgresError as wrong:
            # without its cause, which quotes rows
            raise self._fault(wrong, link).with_traceback(wrong.__traceback__) from None
        finally:
            self._links.give_back(link)

    def _begun(self, begin: bytes) -> PostgresqlLink:
        try:
            return self._try_begin(begin)
        except Dropped:
            # the server has been away since it was last used
            return self._try_begin(begin)

    def _try_begin(self, begin: bytes) -> PostgresqlLink:
        link = self._links.take(TURN_SECONDS)
        try:
            # saves a round trip; one that was idle for long is tried first, while nothing of the unit has been done
            if begin is WRITING and link.fresh:
                link.wire.later(Said(begin))
            else:
                link.wire.say(begin)
        except psycopg.Error as wrong:
            fault = self._fault(wrong, link)
            self._links.give_back(link)
            raise fault from None
        return link

    def _fault(self, wrong: Exception, link: PostgresqlLink) -> Exception:
        fault = fault_of(wrong)
        if isinstance(fault, Dropped):
            self._links.forget(link)
            # how a row is read was learnt from the table as it was; under new names nobody meets an old plan
            self._prepared.clear()
        return fault

    def _link(self) -> PostgresqlLink:
        try:
            return PostgresqlLink(self._engine.connect())
        except PostgresError as wrong:
            raise refusal_of(wrong) from None


def _commit(link: PostgresqlLink) -> None:
    try:
        said = link.wire.say(b"COMMIT").command_status
    except psycopg.Error as wrong:
        # not `Dropped`, upon which the unit is done anew: it may have been saved
        if link.wire.lost or broke_off(wrong):
            raise Unavailable(OUTCOME_UNKNOWN) from None
        raise
    # a transaction that failed answers ROLLBACK to COMMIT, and calls that a success
    if said != b"COMMIT":
        raise RuntimeError(CUT_SHORT)


def _check_writable(link: PostgresqlLink) -> None:
    try:
        only_reads = link.wire.say(WRITABLE).get_value(0, 0) == b"on"
    except psycopg.Error as wrong:
        raise fault_of(wrong) from None
    if only_reads:
        raise Misconfigured(READ_ONLY)


def _toolkit(url: URL) -> Engine:
    """It opens connections and takes what is not prepared; transactions are begun and ended without it."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        # else psycopg would begin a transaction before the first statement
        isolation_level="AUTOCOMMIT",
        # else each new connection is asked for a type that the ledger does not use
        use_native_hstore=False,
        # an error that nobody foresaw is logged as it is, and would quote key hashes and names
        hide_parameters=True,
        connect_args=CONNECTION,
    )
    event.listen(engine, "connect", _set_up)
    return engine


def _set_up(driver: psycopg.Connection[Any], _record: object) -> None:
    PostgresqlWire(driver.pgconn).say(SESSION)
    driver.adapters.register_dumper(str, TextDumper)
