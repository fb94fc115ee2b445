"""The BigQuery emulator's own program, which its Python runs, with two things mended.

Of two jobs of one id it takes one, as BigQuery does. The emulator looks whether an id is taken and only then keeps it, so of requests that
come together it takes several, and one job's answer then tells of another.

A project is a database of DuckDB's own kind. The emulator has it as a DuckLake, which writes Parquet files for each statement and is asked
about its tables a dozen times for each job through a second database: four fifths of a job's time, for snapshots that nobody here looks
back at.
"""

import contextlib
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from types import SimpleNamespace
from typing import Any

import duckdb
from local_bigquery.engine import database  # type: ignore[import-not-found]  # it lives in the emulator's own environment
from local_bigquery.errors import BigQueryError  # type: ignore[import-not-found]
from local_bigquery.settings import settings  # type: ignore[import-not-found]

Rows = list[tuple[Any, ...]]

RESULTS_KEPT = 100  # of jobs; whatever the emulator asks of its catalogue lists them all
DROP_RESULT = "DROP TABLE IF EXISTS emulator._results.{}"
PROJECTS = "SELECT database_name FROM duckdb_databases() WHERE type = 'ducklake' ORDER BY database_name"
TEMPORARY = "SELECT table_name FROM duckdb_tables() WHERE temporary"
CREATED = re.compile(r"write-write conflict on create with (?P<name>.*)")
OF_STRUCTURE = re.compile(r"FROM duckdb_(schemas|columns)\(\)")
NAMES = """SELECT table_name, 'TABLE', 0 FROM duckdb_tables()
WHERE database_name = $1 AND schema_name = $2 AND table_name = coalesce($3, table_name)
UNION ALL SELECT view_name, 'VIEW', 0 FROM duckdb_views()
WHERE database_name = $1 AND schema_name = $2 AND view_name = coalesce($3, view_name) AND NOT internal ORDER BY 1"""
# they change what is in a table and not which there are; of the results of jobs nothing is remembered
ROWS_ALONE = re.compile(
    r"\s*(SELECT|WITH|FROM|INSERT|UPDATE|DELETE|MERGE|USE|EXPLAIN|TRUNCATE|DESCRIBE|\(|"
    r'CREATE OR REPLACE TABLE "emulator"."_results"|DROP TABLE IF EXISTS emulator\._results)',
    re.IGNORECASE,
)
NONE = "SELECT '' AS table_name WHERE false"

_fetch: Callable[..., Rows] = database.fetch
_connection: Callable[[], Any] = database.connection


def attach(connection: Any, project: str) -> None:
    """Under the name by which the emulator finds its projects when it starts again."""
    file = settings.data_dir / f"{project}.ducklake"
    connection.execute(f"ATTACH IF NOT EXISTS '{file}' AS {database.quote(project)}")
    database._attached.add(project)


# of changes of which tables there are, one at a time: two that meet in DuckDB's catalogue break each other off
_structure = threading.RLock()


class Remembered:
    """What the catalogue answered, until a statement may have changed it: nine in ten ask again what was asked for the job before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[tuple[Any, ...], Rows] = {}
        self._changes = self._changing = 0

    @contextlib.contextmanager
    def around(self, sql: str) -> Iterator[None]:
        if ROWS_ALONE.match(sql):
            yield
            return
        with _structure:
            with self._lock:
                self._changing += 1
            try:
                yield
            finally:
                with self._lock:
                    self._changing -= 1
                    self._changes += 1
                    self._answers.clear()

    def answer(self, sql: str, params: Sequence[Any]) -> Rows:
        question = (sql, *params)
        known, changes = self._answers.get(question), self._changes
        if known is not None:
            return known
        rows = _fetch(sql, params)
        with self._lock:
            if not self._changing and self._changes == changes:
                self._answers[question] = rows
        return rows


remembered = Remembered()


@wraps(_fetch)
def fetch(sql: str, params: Sequence[Any] | None = None) -> Rows:
    if sql == PROJECTS:
        return [(project,) for project in sorted(database._attached)]
    # how many rows a table has is asked together with whether it is there, and changes without its being told
    if params and params[0] != "emulator" and OF_STRUCTURE.search(sql):
        return remembered.answer(sql, params)
    return _fetch(sql, params)


def names(project: str, dataset: str, table: str | None = None) -> Rows:
    """Of tables and views, whatever is in them."""
    return remembered.answer(NAMES, [project, dataset, table])


class Cursor:
    """DuckDB's, which as a new one has no temporary tables to be asked for, and tells of conflicts as BigQuery does."""

    def __init__(self, cursor: Any) -> None:
        self._cursor, self._new = cursor, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def sql(self, query: str, **given: Any) -> Any:
        asked = NONE if self._new and query == TEMPORARY else query
        self._new = False
        with conflicts(), remembered.around(query):
            return self._cursor.sql(asked, **given)

    def execute(self, query: str, *given: Any) -> Any:
        self._new = False
        with conflicts(), remembered.around(query):
            return self._cursor.execute(query, *given)


@contextlib.contextmanager
def conflicts() -> Iterator[None]:
    try:
        yield
    except duckdb.TransactionException as conflict:
        if "conflict" not in str(conflict).lower():
            raise
        if made := CREATED.search(str(conflict)):
            raise BigQueryError("duplicate", f"Already Exists: {made['name']}") from conflict
        raise BigQueryError("invalidQuery", "Transaction is aborted due to concurrent update") from conflict


class Connection:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def cursor(self) -> Cursor:
        return Cursor(self._connection.cursor())


database._attach = attach
database.fetch = fetch
database.connection = lambda: Connection(_connection())

# these take what is above from where it stands, so they come after it
from local_bigquery.app import app  # type: ignore[import-not-found]  # noqa: E402
from local_bigquery.catalog import datasets, tables  # type: ignore[import-not-found]  # noqa: E402
from local_bigquery.cli import main  # type: ignore[import-not-found]  # noqa: E402
from local_bigquery.jobs import runner, store  # type: ignore[import-not-found]  # noqa: E402
from local_bigquery.sql.rules import tables as rules  # type: ignore[import-not-found]  # noqa: E402

_one_at_a_time = threading.Lock()
_written = threading.Lock()
_submit, _save, _load = runner.submit, store.save, store.load
_going_on: dict[tuple[str, str], Any] = {}
_results: deque[str] = deque()


@wraps(_submit)
def submit(project: str, job: str, *given: object) -> object:
    with _one_at_a_time:
        _results.append(f"{project}:{job}")
        if len(_results) > RESULTS_KEPT:
            database.execute(DROP_RESULT.format(database.quote(_results.popleft())))
        return _submit(project, job, *given)


def save(job: Any) -> Any:
    """What is not over is remembered and written when it is: three jobs in four are over before anybody asks for them."""
    key = job.jobReference.projectId, job.jobReference.jobId
    if job.status.state != "DONE":
        _going_on[key] = job
        return job
    with _written:
        _save(job)
    _going_on.pop(key, None)
    return job


def load(project: str, job: str) -> Any:
    return _going_on.get((project, job)) or _load(project, job)


@app.post("/forget-jobs")
def forget_jobs() -> None:
    """All jobs that are over and what they answered: what a test leaves behind, in one call."""
    with _one_at_a_time, _written:
        while _results:
            database.execute(DROP_RESULT.format(database.quote(_results.popleft())))
        database.execute("DELETE FROM emulator.jobs")


def whole(make: Callable[..., Any]) -> Callable[..., Any]:
    """Whether it is there, its making and what is said of it, in one act: who comes second finds all of it."""

    @wraps(make)
    def made(*given: Any) -> Any:
        with _structure:
            return make(*given)

    return made


runner.submit, store.save, store.load = submit, save, load
datasets.create, tables.create = whole(datasets.create), whole(tables.create)
rules.database = SimpleNamespace(objects=names, projects=database.projects)

if __name__ == "__main__":
    main()
