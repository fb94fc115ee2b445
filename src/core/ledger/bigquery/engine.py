"""The ledger in one BigQuery dataset: every operation one statement, every row inserted once by the id of its job, no transactions."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from google.api_core.exceptions import NotFound
from google.cloud import bigquery
from sqlalchemy import Select, Table
from sqlalchemy.engine import URL
from sqlalchemy.sql.base import Executable

from src.core.base.dataset_types import dataset_types
from src.core.base.faults import Misconfigured
from src.core.base.names import IDENTIFIER
from src.core.base.settings import Settings
from src.core.google.access import platform_credentials
from src.core.ledger.bigquery.jobs import CALL_SECONDS, LedgerJobs, meant
from src.core.ledger.bigquery.once import Once, uniqueness
from src.core.ledger.bigquery.statements import Statement, compiled, renewing
from src.core.ledger.bigquery.structure import BigQueryStructure
from src.core.ledger.model import LedgerModel
from src.core.ledger.turnstile import OnePerThread
from src.core.ledger.unit import Build, LedgerTraits, Params, Row, Unit

EXAMPLE = "LEDGER_URL=bigquery://my-project/organizations"
# each telling is a job, and changes of one table wait for each other
NEWS_SECONDS = 15.0

T = TypeVar("T")


def open_engine(settings: Settings, url: URL, model: LedgerModel) -> "BigQueryEngine":
    project = url.host or settings.gcp_project_id
    dataset = url.database or dataset_types().central.name
    if not project:
        raise Misconfigured(f"LEDGER_URL names no project of Google's, nor does GCP_PROJECT_ID; write it like {EXAMPLE}")
    if not IDENTIFIER.fullmatch(dataset) or url.username or url.password or url.query:
        raise Misconfigured(f"LEDGER_URL must name a project and a dataset and nothing else; write it like {EXAMPLE}")
    return BigQueryEngine(settings, project, dataset, model)


class BigQueryUnit(Unit):
    """Each statement stands for itself: what came before one that fails stays."""

    def __init__(self, engine: "BigQueryEngine", jobs: LedgerJobs, *, writes: bool) -> None:  # no connection is held
        self.tables = engine.model.tables
        self._kept = engine.kept
        self._writes = writes
        self._facts = engine.model.facts
        self._jobs = jobs
        self._once = Once(jobs, engine.place)

    def insert_once(self, table: Table, values: Params) -> bool:
        self._check_writes()
        facts = self._facts[table.name]
        return self._once.insert(table, values, uniqueness(facts.key, facts.unique, values))

    def change(self, statement: Executable | Build[Any], params: Params | Sequence[Params] | None = None) -> int:
        self._check_writes()
        whole: Executable = statement if isinstance(statement, Executable) else self.prepared(statement)
        target = getattr(whole, "table", None)
        name = target.name if isinstance(target, Table) else None
        each = [params] if params is None or isinstance(params, Mapping) else params
        return sum(self._jobs.change(compiled(whole, one), name) for one in each)

    def insert_all(self, table: Table, rows: Sequence[Params], rivals: str) -> int:
        self._check_writes()
        return self._once.insert_all(table, rows, rivals) if rows else 0

    def renew(self, table: Table, rows: Sequence[Params], by: str) -> int:
        self._check_writes()
        return self._jobs.change(renewing(table, rows, by), table.name) if rows else 0

    def first(self, select: Executable, params: Params | None = None) -> Row | None:
        rows = self.rows(select, params)
        return rows[0] if rows else None

    def rows(self, select: Executable, params: Params | None = None) -> list[Row]:
        statement = compiled(select, params)
        return statement.rows(self._jobs.read(statement))

    def point(self, build: Build[Select[Any]], params: Params) -> Sequence[Any] | None:
        return self.first(self.prepared(build), params)


class BigQueryEngine:
    traits = LedgerTraits(inline_reads=False, one_machine=False, undoes=False, polled=False, news_seconds=NEWS_SECONDS)

    def __init__(self, settings: Settings, project: str, dataset: str, model: LedgerModel) -> None:
        self.model = model
        self.kept: dict[Build[Any], Any] = {}
        self.place = f"{project}.{dataset}"
        self._settings = settings
        self._project = project
        self._dataset = bigquery.DatasetReference(project, dataset)
        self._made: LedgerJobs | None = None
        self._making = threading.Lock()
        self._writing = OnePerThread()
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[Unit]:
        yield BigQueryUnit(self, self._jobs(), writes=False)

    def glance(self, op: Callable[[Unit], T]) -> T:
        return op(BigQueryUnit(self, self._jobs(), writes=False))

    @contextmanager
    def writing(self) -> Iterator[Unit]:
        with self._writing.taken():
            yield BigQueryUnit(self, self._jobs(), writes=True)

    @contextmanager
    def restructuring(self) -> Iterator[tuple[BigQueryStructure, Unit]]:
        with self._writing.taken():
            yield self._structure(), BigQueryUnit(self, self._jobs(), writes=True)

    @contextmanager
    def inspecting(self) -> Iterator[BigQueryStructure]:
        yield self._structure()

    def check(self) -> None:
        # to make jobs and to see the dataset are different rights
        self._jobs().read(Statement("SELECT 1 AS one", (), ()))
        try:
            meant(lambda: self._jobs().client.get_dataset(self._dataset, timeout=CALL_SECONDS))
        except NotFound:
            # bootstrapping makes it
            return

    def close(self) -> None:
        self._closed = True
        with self._making:
            if self._made is not None:
                self._made.client.close()
                self._made = None

    def _structure(self) -> BigQueryStructure:
        return BigQueryStructure(self._jobs(), self._dataset, self.model, self._settings)

    def _jobs(self) -> LedgerJobs:
        with self._making:
            if self._closed:
                raise RuntimeError("this ledger is closed")
            if self._made is None:
                self._made = LedgerJobs(self._client(), self.place, self._settings)
            return self._made

    def _client(self) -> bigquery.Client:
        url = self._settings.platform_bigquery_url
        return bigquery.Client(
            project=self._project,
            credentials=platform_credentials(self._settings, url),
            client_options={"api_endpoint": url},
            location=self._settings.bigquery_location,
        )
