"""Copies of a run's records in its organisation's own dataset."""

from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from src.core.base.documents import read_text
from src.core.base.identity import Tenant
from src.core.engine.port import Fence, Publication, TablePart
from src.core.ledger.store import Unit
from src.core.ledger.tables import dq_results, orgs, run_pages, runs
from src.core.ledger.tables.dq_results import DqResult
from src.core.ledger.tables.runs import RunRecord, StepLog
from src.core.step.context import Services
from src.core.step.onboarding import profile

# not a pipeline's: the copies would move the fence that its own runs publish by
SCOPE = "x_meta"
# a run whose copy failed is made up for by a later one's, if that ends within this time
LOOK_BACK = timedelta(days=3)
COPIED = "runs/copied.sql"
TABLES = ("x_meta_pipeline_runs", "x_meta_step_logs", "x_meta_dq_results")
RUN_FIELDS = (
    "pipeline_id",
    "document",
    "trigger_type",
    "user_id",
    "status",
    "window_start",
    "window_end",
    "started_at",
    "ended_at",
    "duration_ms",
    "rows_processed",
    "error_code",
    "error_message",
)
STEP_FIELDS = (
    "step_id",
    "ps_type",
    "step_index",
    "attempt",
    "status",
    "started_at",
    "ended_at",
    "duration_ms",
    "rows_processed",
    "error_code",
    "error_message",
)
DQ_FIELDS = ("suite", "table_name", "column_name", "severity", "passed", "observed", "checked_at")


class _Turn:
    """Of an organisation; kept by who holds it."""

    def __init__(self) -> None:
        self.lock = Lock()


@dataclass(frozen=True, slots=True)
class _Record:
    run: RunRecord
    steps: list[StepLog]
    results: list[DqResult]


@dataclass
class RunCopies:
    services: Services
    _turns: WeakValueDictionary[str, _Turn] = field(default_factory=WeakValueDictionary)
    _lock: Lock = field(default_factory=Lock)

    def copy(self, tenant: Tenant) -> int:
        """The runs that ended lately and are not there yet, in one publication; how many. Repeating it is harmless."""
        with self._lock:
            # two threads at once would each find none and make one
            turn = self._turns.setdefault(tenant.org_slug, _Turn())
        with turn.lock:
            # asked inside the turn: two runs that end together would each find both missing
            warehouse = self.services.warehouse
            if not warehouse.has_dataset(tenant) or not set(TABLES) <= set(warehouse.tables(tenant)):
                return 0
            missing = [self.services.ledger.read(_record, run) for run in self._missing(tenant)]
            if not missing:
                return 0
            # not a run's own: runs of several pipelines end in any order, and the lower generation would be refused
            generation = warehouse.last_generation(tenant, SCOPE) + 1
            with warehouse.publication(tenant, missing[-1].run.pipeline_logging_id, Fence(SCOPE, generation)) as publication:
                for record in missing:
                    _copy(publication, record)
                # asked last: what was read of one who had the slug is not to be left in the dataset of who has it by now
                if not self._lives(tenant):
                    raise orgs.off_boarded(tenant.org_slug)
            # for one whose change was not shown in the end, or was made by a release that showed none
            profile.follow(self.services, tenant)
            return len(missing)

    def _lives(self, tenant: Tenant) -> bool:
        found = self.services.ledger.read(orgs.holder, tenant.org_slug)
        return found is not None and tenant.generation in (None, found.generation)

    def _missing(self, tenant: Tenant) -> list[RunRecord]:
        since = self.services.clock.now() - LOOK_BACK
        ended = self.services.ledger.read(run_pages.ended_since, tenant.org_slug, since)
        if not ended:
            return []
        sql = read_text(self.services.settings.configs_dir / COPIED, f"configs/{COPIED}")
        asked = self.services.warehouse.query(tenant, sql, {"run_ids": [run.pipeline_logging_id for run in ended]})
        # by its end too: one that was put back into the queue ends a second time
        copied = set(zip(asked.column("pipeline_logging_id").to_pylist(), asked.column("ended_at").to_pylist(), strict=True))
        return [run for run in ended if (run.pipeline_logging_id, run.ended_at) not in copied]


def _record(unit: Unit, run: RunRecord) -> _Record:
    return _Record(run, runs.steps(unit, run.pipeline_logging_id), dq_results.of_run(unit, run.pipeline_logging_id))


def _copy(publication: Publication, record: _Record) -> None:
    run = record.run
    # replaced by run and not appended: a copy that is made again leaves each row once
    part = TablePart(equal={"pipeline_logging_id": run.pipeline_logging_id})
    common = {
        "pipeline_logging_id": run.pipeline_logging_id,
        "org_slug": run.org_slug,
        "run_date": run.accepted_at.date(),
    }
    results = [common | _fields(result, DQ_FIELDS) | {"expectation": result.expectation_type} for result in record.results]
    publication.replace("x_meta_pipeline_runs", [common | _fields(run, RUN_FIELDS)], part)
    publication.replace("x_meta_step_logs", [common | _fields(step, STEP_FIELDS) for step in record.steps], part)
    publication.replace("x_meta_dq_results", results, part)


def _fields(record: RunRecord | StepLog | DqResult, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}
