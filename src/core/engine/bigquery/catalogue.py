"""What stands in one dataset, looked up when it is named and kept for a short while."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from google.api_core import exceptions
from google.cloud.bigquery import DatasetReference, SchemaField, Table, TableReference
from sqlglot import exp

from src.core.base.clock import Clock
from src.core.base.faults import Missing, Rejected
from src.core.base.names import IDENTIFIER, did_you_mean
from src.core.engine.bigquery.faults import as_faults, lost_dataset
from src.core.engine.bigquery.jobs import REQUEST_SECONDS, WarehouseJobs
from src.core.engine.dialect.statements import Checked, Purpose, checked, is_common

FENCES: Final = "x_fences"
STAGE: Final = "x_stage_"
"""What a publication prepares its rows in begins so."""
HOUSEKEEPING: Final = frozenset({FENCES})
# Another process may have changed a table meanwhile; a column it added is seen after so many seconds.
KEPT_SECONDS: Final = 10.0
# a dataset goes by off-boarding alone, after which the organisation's key opens nothing
DATASET_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, or a view by its GoogleSQL, in which tables are named without their dataset."""

    name: str
    fields: tuple[SchemaField, ...]
    view: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)


class DatasetCatalogue:
    def __init__(self, jobs: WarehouseJobs, clock: Clock, owner: WarehouseJobs | None = None) -> None:
        """`owner` is who makes the dataset, where that is somebody else."""
        self._jobs, self._clock, self._owner = jobs, clock, owner or jobs
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, Relation]] = {}
        self._seen: float | None = None
        self.met_lost = False

    @property
    def reference(self) -> DatasetReference:
        return DatasetReference(self._jobs.project, self._jobs.dataset)

    def table(self, name: str) -> TableReference:
        return self.reference.table(name)

    def exists(self) -> bool:
        """Whether the dataset is there, asked anew: of its owner, for who has no right on it is refused, be it there or not."""
        with as_faults():
            try:
                self._owner.client.get_dataset(self.reference, retry=self._owner.retry(), timeout=REQUEST_SECONDS)
            except exceptions.NotFound:
                self._seen = None
                return False
        self._seen, self.met_lost = self._clock.monotonic(), False
        return True

    def check_dataset(self) -> None:
        if self._seen is not None and self._clock.monotonic() - self._seen < DATASET_SECONDS:
            return
        if not self.exists():
            self.met_lost = True
            raise lost_dataset(self._jobs.project, self._jobs.dataset)

    def names(self) -> dict[str, bool]:
        """Every table and view but the warehouse's own, asked anew, and whether it is a view."""
        with as_faults():
            found = list(self._jobs.client.list_tables(self.reference, retry=self._jobs.retry(), timeout=REQUEST_SECONDS))
        return {table.table_id: table.table_type != "TABLE" for table in found if not is_kept(table.table_id)}

    def described(self, name: str) -> Table | None:
        """The table or view as BigQuery describes it now."""
        # the client would put it into an address as it is
        if not IDENTIFIER.fullmatch(name):
            return None
        with as_faults():
            try:
                return self._jobs.client.get_table(self.table(name), retry=self._jobs.retry(), timeout=REQUEST_SECONDS)
            except exceptions.NotFound:
                return None

    def find(self, name: str) -> Relation | None:
        with self._lock:
            at, held = self._held.get(name, (0.0, None))
        if held and self._clock.monotonic() - at < KEPT_SECONDS:
            return held
        # without the lock: the question takes its time, and two that ask it at once do no harm
        table = self.described(name)
        if table is None:
            self.forget(name)
            return None
        view = unqualified(table.view_query, self._jobs) if table.view_query else None
        found = Relation(name, tuple(table.schema), view)
        with self._lock:
            self._held[name] = (self._clock.monotonic(), found)
        return found

    def need(self, name: str) -> Relation:
        found = self.find(name)
        if found is None:
            # all that was in a dataset went with it, and who asks must not hear of the table alone
            self._seen = None
            self.check_dataset()
            raise Missing(f"there is no table or view {name[:80]!r} in this dataset{did_you_mean(name, self.names())}")
        return found

    def forget(self, name: str) -> None:
        with self._lock:
            self._held.pop(name, None)

    def checked(self, sql: str, purpose: Purpose = "query", need: Callable[[str], object] | None = None) -> Checked:
        return checked(sql, purpose, need or self.need, HOUSEKEEPING)


def is_kept(name: str) -> bool:
    """Whether it is the warehouse's own and nobody else's concern."""
    return name in HOUSEKEEPING or name.startswith(STAGE)


def qualified(sql: str, known: Checked, jobs: WarehouseJobs) -> str:
    """The same text with its dataset before each table, so that it can be read from anywhere."""
    places = []
    for table in known.root.find_all(exp.Table):
        if not is_common(table):
            if "start" not in table.this.meta:
                raise Rejected(f"{table.name[:80]}: this way of naming a table is not served in a view")
            places.append(int(table.this.meta["start"]))
    pieces, at = [], 0
    for start in sorted(places):
        pieces += [sql[at:start], _prefix(jobs)]
        at = start
    return "".join([*pieces, sql[at:]])


def unqualified(sql: str, jobs: WarehouseJobs) -> str:
    return sql.replace(_prefix(jobs), "")


def _prefix(jobs: WarehouseJobs) -> str:
    return f"`{jobs.project}`.`{jobs.dataset}`."
