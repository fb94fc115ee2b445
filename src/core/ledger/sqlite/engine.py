"""The ledger in one SQLite file: write-ahead log, every commit on disk, one writer at a time, readers never waiting."""

import os
import shutil
import sqlite3
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Select, Table, create_engine
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.base import Executable

from src.core.base.faults import Misconfigured, Throttled, Unavailable
from src.core.base.settings import Settings
from src.core.ledger.model import LedgerModel
from src.core.ledger.sqlite.faults import DAMAGED, DISK_FULL, GONE, IN_THE_WAY, fault_of, is_busy, is_damage, is_of_the_disk, os_fault
from src.core.ledger.sqlite.statements import Point, RowChange
from src.core.ledger.turnstile import Turnstile
from src.core.ledger.unit import Build, LedgerTraits, Params, Unit

TURN_SECONDS = 20.0  # in this process's queue of writers
BUSY_SECONDS = 10.0  # for a writer of another process
# SQLite's own waiting backs off to 100 ms and so hardly ever meets the moment between two units of a busy process
POLL_SECONDS = 0.001
# readiness is asked by probes that wait a second or two, and a busy ledger is not a broken one
PROBE_SECONDS = 0.25
IDLE_READERS = 8
FREE_BYTES_MINIMUM = 16 * 1024 * 1024  # a full log of 1,000 pages and its checkpoint fit several times over
STATEMENTS_KEPT = 256

EXAMPLE = "LEDGER_URL=sqlite:////var/lib/convergence/ledger.db"

SqliteError = (DBAPIError, sqlite3.Error)

T = TypeVar("T")


def open_engine(settings: Settings, url: URL, model: LedgerModel) -> "SqliteEngine":  # noqa: ARG001 - other engines are set up by them
    if not url.database or url.database == ":memory:" or url.query:
        raise Misconfigured(f"LEDGER_URL must name a file and nothing else, for it outlives the process; write it like {EXAMPLE}")
    return SqliteEngine(Path(url.database).absolute(), model)


@dataclass(frozen=True, slots=True)
class SqliteLink:
    connection: Connection
    raw: sqlite3.Connection

    def close(self) -> None:
        self.connection.close()


class SqliteUnit(Unit):
    def __init__(self, link: SqliteLink, engine: "SqliteEngine", *, writes: bool) -> None:
        super().__init__(link.connection, engine.model.tables, engine.kept, writes=writes)
        self._raw = link.raw
        self._points = engine.points
        self._changes = engine.changes

    def change(self, statement: Executable | Build[Any], params: Params | Sequence[Params] | None = None) -> int:
        if isinstance(statement, Executable) or not (params is None or isinstance(params, Mapping)):
            return super().change(statement, params)
        # without a lock: two threads may both compile it, and either result serves
        change = self._changes.get(statement)
        if change is None:
            change = self._changes[statement] = RowChange(statement(self.tables), self._connection.dialect)
        self._check_writes()
        return change.rows(self._raw, params)

    def insert_once(self, table: Table, values: Params) -> bool:
        kept = (table.name, *values)
        change = self._changes.get(kept)
        if change is None:
            # no target is named, so that every unique index counts and not the key alone
            once = insert(table).on_conflict_do_nothing()
            change = self._changes[kept] = RowChange(once, self._connection.dialect, list(values))
        self._check_writes()
        return change.rows(self._raw, values) == 1

    def point(self, build: Build[Select[Any]], params: Params) -> Sequence[Any] | None:
        point = self._points.get(build)
        if point is None:
            point = self._points[build] = Point(build(self.tables), self._connection.dialect)
        return point.first(self._raw, params)


class SqliteEngine:
    traits = LedgerTraits(inline_reads=True, one_machine=True, undoes=True, polled=True, news_seconds=0.5)

    def __init__(self, path: Path, model: LedgerModel) -> None:
        self.model = model
        self.kept: dict[Build[Any], Any] = {}
        self.points: dict[Build[Select[Any]], Point] = {}
        self.changes: dict[Build[Any] | tuple[str, ...], RowChange] = {}
        self._path = path
        # no pool: closing has to close the file, and what is worth keeping is kept below
        # an error that nobody foresaw is logged as it is, and would quote key hashes and names
        self._engine = create_engine(
            URL.create("sqlite", database=str(path)), creator=self._connect, poolclass=NullPool, hide_parameters=True
        )
        self._turnstile = Turnstile()
        self._writer: SqliteLink | None = None
        self._readers: deque[SqliteLink] = deque()
        self._closed = False
        self._inode: int | None = None
        self._damaged = False

    @contextmanager
    def reading(self) -> Iterator[Unit]:
        with self._snapshot() as link:
            yield SqliteUnit(link, self, writes=False)

    def glance(self, op: Callable[[Unit], T]) -> T:
        link: SqliteLink | None = None
        try:
            link = self._reader()
            return op(SqliteUnit(link, self, writes=False))
        except SqliteError as wrong:
            raise self._mapped(wrong) from wrong
        finally:
            if link is not None:
                self._give_back(link)

    def writing(self) -> AbstractContextManager[Unit]:
        return self._transaction(lambda link: SqliteUnit(link, self, writes=True))

    def restructuring(self) -> AbstractContextManager[tuple[Connection, Unit]]:
        return self._transaction(lambda link: (link.connection, SqliteUnit(link, self, writes=True)))

    @contextmanager
    def inspecting(self) -> Iterator[Connection]:
        with self._snapshot() as link:
            yield link.connection

    def check(self) -> None:
        try:
            self._make_file()
            if self._disk_is_full():
                raise Unavailable(DISK_FULL)
            # a connection of its own: a check must not queue behind those who write
            with closing(self._connect(PROBE_SECONDS)) as raw:
                raw.execute("BEGIN IMMEDIATE")
                raw.execute("ROLLBACK")
        except OSError as wrong:
            raise os_fault(wrong) from wrong
        except sqlite3.Error as wrong:
            # somebody writing proves that one can write
            if not is_busy(wrong):
                raise self._mapped(wrong) from wrong

    def close(self) -> None:
        # first, so that a reader that comes back from now on is closed instead of kept
        self._closed = True
        while self._readers:
            self._readers.pop().close()
        if self._turnstile.enter(TURN_SECONDS):
            try:
                self._drop_writer()
            finally:
                self._turnstile.leave()
        self._engine.dispose()

    @contextmanager
    def _snapshot(self) -> Iterator[SqliteLink]:
        link: SqliteLink | None = None
        try:
            link = self._reader()
            link.raw.execute("BEGIN")
            yield link
        except SqliteError as wrong:
            raise self._mapped(wrong) from wrong
        finally:
            if link is not None:
                self._give_back(link)

    @contextmanager
    def _transaction(self, begun: Callable[[SqliteLink], T]) -> Iterator[T]:
        if not self._turnstile.enter(TURN_SECONDS):
            raise Throttled("the ledger has more to write than it can; retry in a moment", retry_after=1)
        try:
            link = self._writer = self._writer or self._writing_link()
            # a deferred BEGIN that reads first is refused at its first write if another has written since, and no waiting helps
            _patiently(link.raw, "BEGIN IMMEDIATE", BUSY_SECONDS)
            self._same_file()
            yield begun(link)
            link.raw.execute("COMMIT")
        except SqliteError as wrong:
            self._drop_writer()
            raise self._mapped(wrong) from wrong
        except BaseException:
            # an error of the caller's says nothing against the connection, which is kept
            self._roll_back()
            raise
        finally:
            self._turnstile.leave()

    def _roll_back(self) -> None:
        if self._writer is not None and self._writer.raw.in_transaction:
            self._writer.raw.rollback()

    def _drop_writer(self) -> None:
        # closing rolls back what is open; a connection that has failed is not trusted with the next unit
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _reader(self) -> SqliteLink:
        try:
            return self._readers.pop()
        except IndexError:
            return self._link()

    def _give_back(self, link: SqliteLink) -> None:
        if link.raw.in_transaction:
            link.raw.rollback()
        if self._closed or len(self._readers) >= IDLE_READERS:
            link.close()
        else:
            self._readers.append(link)

    def _writing_link(self) -> SqliteLink:
        link = self._link()
        # `_patiently` waits instead of SQLite
        link.raw.execute("PRAGMA busy_timeout=0")
        return link

    def _link(self) -> SqliteLink:
        if self._closed:
            raise RuntimeError("this ledger is closed")
        try:
            self._make_file()
        except OSError as wrong:
            raise os_fault(wrong) from wrong
        connection = self._engine.connect()
        raw = connection.connection.driver_connection
        if not isinstance(raw, sqlite3.Connection):
            raise TypeError("SQLite's own driver is needed here")
        return SqliteLink(connection, raw)

    def _make_file(self) -> None:
        """The log and its index take over the owner-only rights of the file."""
        if self._inode is None and not self._path.exists():
            # SQLite itself would make the file readable to others, as the umask has it
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        self._same_file()

    def _same_file(self) -> None:
        """Connections go on with a file that has lost its name, and what they are told to keep goes when they do.

        A harmed page is met by who reads it alone; from then on what is written could not be kept either, for a backup is restored.
        """
        if self._damaged:
            raise Misconfigured(DAMAGED.format(file=self._path.name))
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            raise Misconfigured(GONE.format(file=self._path.name)) from None
        except OSError as wrong:
            raise os_fault(wrong) from wrong
        if stat.S_ISDIR(facts.st_mode):
            raise Misconfigured(IN_THE_WAY.format(file=self._path.name))
        if self._inode not in (None, facts.st_ino):
            raise Misconfigured(GONE.format(file=self._path.name))
        self._inode = facts.st_ino

    def _mapped(self, wrong: Exception) -> Exception:
        self._damaged = self._damaged or is_damage(wrong)
        if is_of_the_disk(wrong) and self._disk_is_full():
            return Unavailable(DISK_FULL)
        return fault_of(wrong, self._path.name) or wrong

    def _disk_is_full(self) -> bool:
        try:
            return shutil.disk_usage(self._path.parent).free < FREE_BYTES_MINIMUM
        except OSError:
            return False

    def _connect(self, patience: float = BUSY_SECONDS) -> sqlite3.Connection:
        # without an isolation level the driver begins no transactions of its own
        # a link goes from thread to thread, and only one has it at a time, so the driver's check would be in the way
        raw = sqlite3.connect(
            self._path, timeout=patience, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS_KEPT
        )
        try:
            _into_wal(raw, patience)
            # with NORMAL a write-ahead log may lose its last commits when the power fails, of which somebody was told
            raw.execute("PRAGMA synchronous=FULL")
            raw.execute("PRAGMA secure_delete=ON")  # what an erasure deletes is overwritten, not only let go
        except BaseException:
            raw.close()
            raise
        return raw


def _into_wal(raw: sqlite3.Connection, patience: float) -> None:
    """SQLite refuses one of two processes that open a new file at once, without waiting; so the waiting is done here."""
    (mode,) = _patiently(raw, "PRAGMA journal_mode=WAL", patience).fetchone()
    if mode != "wal":
        raise Misconfigured("the ledger's folder does not allow SQLite's write-ahead log; put EMBEDDED_DATA_DIR on a local disk")


def _patiently(raw: sqlite3.Connection, statement: str, patience: float) -> sqlite3.Cursor:
    deadline = time.monotonic() + patience
    while True:
        try:
            return raw.execute(statement)
        except sqlite3.OperationalError as wrong:
            if not is_busy(wrong) or time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECONDS)
