"""The BigQuery emulator's own program, which its Python runs, with three things mended.

Of two jobs of one id it takes one, as BigQuery does. The emulator looks whether an id is taken and only then keeps it, so of requests that
come together it takes several, and one job's answer then tells of another.

A project is a database of DuckDB's own kind. The emulator has it as a DuckLake, which writes Parquet files for each statement and is asked
about its tables a dozen times for each job through a second database: four fifths of a job's time, for snapshots that nobody here looks
back at.

What it knows of its jobs, datasets and tables it looks up in memory. It keeps them in tables of its own, and asks those and the whole of
DuckDB's catalogue a dozen times for each job. Jobs are kept nowhere else: an emulator that starts again knows none.
"""

import contextlib
import functools
import json
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
SCHEMAS = "FROM duckdb_schemas()"
NOT_NULL, INGESTED = "AND NOT is_nullable", "AND column_name = ?"
NAMES = """SELECT table_name, 'TABLE' FROM duckdb_tables() WHERE database_name = $1 AND schema_name = $2
UNION ALL SELECT view_name, 'VIEW' FROM duckdb_views() WHERE database_name = $1 AND schema_name = $2 AND NOT internal ORDER BY 1"""
COLUMNS = "SELECT table_name, column_name, is_nullable FROM duckdb_columns() WHERE database_name = $1 AND schema_name = $2"
RESULT = re.compile(r'CREATE OR REPLACE TABLE "emulator"\."_results"\."((?:[^"]|"")+)"')
DROPPED = re.compile(r'DROP TABLE (?:IF EXISTS )?"?emulator"?\."?_results"?\."((?:[^"]|"")+)"')
# they change what is in a table and not which there are; of the results of jobs nothing is remembered
ROWS_ALONE = re.compile(
    r"\s*(SELECT|WITH|FROM|INSERT|UPDATE|DELETE|MERGE|USE|EXPLAIN|TRUNCATE|DESCRIBE|\(|"
    r'CREATE OR REPLACE TABLE "emulator"."_results"|DROP TABLE IF EXISTS emulator\._results)',
    re.IGNORECASE,
)
NONE = "SELECT '' AS table_name WHERE false"

_fetch: Callable[..., Rows] = database.fetch
_connect: Callable[[], Any] = database.connection


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


# the tables that answers of jobs lie in
results: set[str] = set()


@wraps(_fetch)
def fetch(sql: str, params: Sequence[Any] | None = None) -> Rows:
    if sql == PROJECTS:
        return [(project,) for project in sorted(database._attached)]
    if params and (NOT_NULL in sql or INGESTED in sql):
        return columns(*params)
    return remembered.answer(sql, params) if params and SCHEMAS in sql else _fetch(sql, params)


def columns(project: str, dataset: str, table: str, name: str | None = None) -> Rows:
    """Those that may not be null, or the one of that name: of all tables of a dataset asked for at once. An answer has neither."""
    if project == "emulator":
        return []
    found = [row[1:] for row in remembered.answer(COLUMNS, [project, dataset]) if row[0] == table]
    return [(column,) for column, nullable in found if (column == name if name else not nullable)]


def names(project: str, dataset: str, table: str | None = None) -> Rows:
    """Of tables and views, whatever is in them."""
    if project == "emulator":
        return [(table, "TABLE", 0)] if table in results else []
    return [(*row, 0) for row in remembered.answer(NAMES, [project, dataset]) if table in (None, row[0])]


def objects(project: str, dataset: str, table: str | None = None) -> Rows:
    """The same, of one table with its rows."""
    found = names(project, dataset, table)
    if table is None or found != [(table, "TABLE", 0)]:
        return found
    try:
        return [(table, "TABLE", _fetch(f"SELECT count(*) FROM {database.quote(project, dataset, table)}")[0][0])]
    except duckdb.CatalogException:
        return []  # it has gone since


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
            done = self._cursor.execute(query, *given)
        if made := RESULT.match(query):
            results.add(made[1].replace('""', '"'))
        elif dropped := DROPPED.match(query):
            results.discard(dropped[1].replace('""', '"'))
        return done


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


@functools.cache
def connection() -> Connection:
    return Connection(_connect())


database._attach = attach
database.fetch, database.objects = fetch, objects
database.connection = connection

# these take what is above from where it stands, so they come after it
from local_bigquery.app import app  # type: ignore[import-not-found]  # noqa: E402
from local_bigquery.catalog import datasets, metadata, row_access, tables  # type: ignore[import-not-found]  # noqa: E402
from local_bigquery.cli import main  # type: ignore[import-not-found]  # noqa: E402
from local_bigquery.jobs import runner, store  # type: ignore[import-not-found]  # noqa: E402
from local_bigquery.sql.rules import tables as rules  # type: ignore[import-not-found]  # noqa: E402

Key = tuple[str, ...]
_one_at_a_time = threading.Lock()
_submit, _save, _delete = runner.submit, metadata.save, metadata.delete
_jobs: dict[tuple[str, str], Any] = {}
_answers: deque[str] = deque()


class Resources:
    """What is told of datasets, tables and the rest, as the emulator's own tables have it: read from them once, then written to both."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._kinds: dict[str, dict[Key, str]] = {}

    def _of(self, kind: str) -> dict[Key, str]:
        with self._lock:
            if kind not in self._kinds:
                rows = _fetch(f"SELECT {', '.join(database.RESOURCES[kind])}, resource FROM emulator.{kind}")
                self._kinds[kind] = {row[:-1]: row[-1] for row in rows}
            return self._kinds[kind]

    def secured(self) -> frozenset[Key]:
        """The tables that have a policy of rows."""
        with self._lock:
            return frozenset(key[:-1] for key in self._of("row_access_policies"))

    def list_(self, model: Any, *keys: str) -> list[Any]:
        kind = metadata.KINDS[model]
        kept = self._of(kind)
        if len(keys) == len(database.RESOURCES[kind]):
            found = [text] if (text := kept.get(keys)) else []
        else:
            with self._lock:
                found = [text for key, text in kept.items() if key[: len(keys)] == keys]
        return [model.model_validate_json(text) for text in found]

    def save(self, resource: Any, *keys: str) -> Any:
        with self._lock:
            saved = _save(resource, *keys)
            self._of(metadata.KINDS[type(resource)])[keys] = json.dumps(saved.dump())
        return saved

    def delete(self, model: Any, *keys: str) -> None:
        with self._lock:
            kept = self._of(metadata.KINDS[model])
            gone = [key for key in kept if key[: len(keys)] == keys]
            if gone or model is not metadata.Index:
                _delete(model, *keys)
            for key in gone:
                del kept[key]


@wraps(_submit)
def submit(project: str, job: str, *given: object) -> object:
    with _one_at_a_time:
        _answers.append(f"{project}:{job}")
        if len(_answers) > RESULTS_KEPT:
            database.execute(DROP_RESULT.format(database.quote(_answers.popleft())))
        return _submit(project, job, *given)


def save(job: Any) -> Any:
    _jobs[job.jobReference.projectId, job.jobReference.jobId] = job
    return job


def load(project: str, job: str) -> Any:
    return _jobs.get((project, job))


def jobs(
    project: str, states: list[str] | None = None, parent: str | None = None, first: int | None = None, last: int | None = None
) -> list[Any]:
    """The newest first."""
    found = []
    for job in list(_jobs.values()):
        created = int(job.statistics.creationTime)
        if (job.jobReference.projectId, job.statistics.parentJobId) != (project, parent):
            continue
        if (not states or job.status.state in states) and created >= (first or 0) and (last is None or created <= last):
            found.append((-created, job.jobReference.jobId, job))
    return [job for *_, job in sorted(found, key=lambda one: one[:2])]


def delete(project: str, job: str) -> None:
    for key, kept in list(_jobs.items()):
        if key[0] == project and job in (key[1], kept.statistics.parentJobId):
            _jobs.pop(key, None)


@app.post("/forget-jobs")
def forget_jobs() -> None:
    """All jobs that are over and what they answered: what a test leaves behind, in one call."""
    with _one_at_a_time:
        while _answers:
            database.execute(DROP_RESULT.format(database.quote(_answers.popleft())))
        for key, job in list(_jobs.items()):
            if job.status.state == "DONE":
                del _jobs[key]


def whole(make: Callable[..., Any]) -> Callable[..., Any]:
    """Whether it is there, its making and what is said of it, in one act: who comes second finds all of it."""

    @wraps(make)
    def made(*given: Any) -> Any:
        with _structure:
            return make(*given)

    return made


resources = Resources()
runner.submit, store.save, store.load, store.list_, store.delete = submit, save, load, jobs, delete
metadata.list_, metadata.save, metadata.delete = resources.list_, resources.save, resources.delete
row_access.secured = resources.secured
datasets.create, tables.create = whole(datasets.create), whole(tables.create)
rules.database = SimpleNamespace(objects=names, projects=database.projects)

if __name__ == "__main__":
    main()
