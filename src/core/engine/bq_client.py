"""The warehouse port on BigQuery: one dataset per organisation, many processes."""

import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa

from src.core.base.clock import Clock
from src.core.base.faults import Fault, Misconfigured, Missing, NotYours, Rejected
from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.base.settings import Settings
from src.core.engine.bigquery.catalogue import DatasetCatalogue
from src.core.engine.bigquery.clients import AccountClients, Clients
from src.core.engine.bigquery.faults import lost_dataset
from src.core.engine.bigquery.jobs import Done, Limits, WarehouseJobs
from src.core.engine.bigquery.publication import STAGING_HOURS, published_generation, publishing
from src.core.engine.bigquery.relations import Relations
from src.core.engine.bigquery.staging import clear_left
from src.core.engine.bigquery.values import label
from src.core.engine.files.disk_space import room_for_files
from src.core.engine.files.folder import check_folder
from src.core.engine.files.writers import csv_pieces, parquet_pieces
from src.core.engine.naming import dataset_of, file_name
from src.core.engine.port import (
    DroppedDataset,
    ExportFormat,
    Fence,
    Params,
    Publication,
    RemoteRows,
    StoredFile,
    TableChange,
    TableSize,
    Traits,
)
from src.core.engine.process_lock import ProcessLock

TRAITS = Traits(dialect="bigquery", one_process=False, transactional_ddl=False, reads_remote=True, keeps_files=False)
OWNER_ONLY, OWNER_FILE = 0o700, 0o600
CATALOGUES: Final = 256
CHECK_SECONDS: Final = 5.0
PIECES: Final = {"parquet": parquet_pieces, "csv": csv_pieces}


def open_warehouse(settings: Settings, clock: Clock, home: Path, claim: ProcessLock | None) -> "BigQueryWarehouse":  # noqa: ARG001
    return BigQueryWarehouse(settings, clock, home)


class BigQueryWarehouse:
    def __init__(self, settings: Settings, clock: Clock, home: Path) -> None:
        self._clock, self._home = clock, home
        self._clients = Clients(settings)
        self._limits = Limits(settings.bigquery_location, settings.bigquery_maximum_bytes_billed, settings.bigquery_job_seconds)
        self._catalogues: OrderedDict[str, DatasetCatalogue] = OrderedDict()
        self._lock = threading.Lock()
        # files have an end as the tables have that are loaded from them
        clear_left(home, STAGING_HOURS)

    @property
    def traits(self) -> Traits:
        return TRAITS

    def check(self) -> None:
        check_folder(self._home)
        self._jobs(self._clients.platform(), "", replace(self._limits, seconds=CHECK_SECONDS)).dry("SELECT 1")

    def lost_datasets(self) -> dict[str, Fault]:
        with self._lock:
            met = [one for one in self._catalogues.values() if one.met_lost]
        # asked anew: it may be back, and nobody has asked for it since
        gone = [one.reference for one in met if not one.exists()]
        return {one.dataset_id: lost_dataset(one.project, one.dataset_id) for one in gone}

    def ensure_dataset(self, tenant: Tenant) -> bool:
        return self._owned(tenant).make(tenant, self._clients.account(tenant))

    def has_dataset(self, tenant: Tenant) -> bool:
        return self._catalogue(tenant).exists()

    def drop_dataset(self, tenant: Tenant) -> DroppedDataset:
        erased = self._owned(tenant).drop()
        with self._lock:
            self._catalogues.pop(tenant.dataset, None)
        # files on their way are the organisation's data too, and a kill may have left some
        io = self._home / dataset_of(tenant)
        if not io.exists():
            return erased
        size = sum(file.stat().st_size for file in io.rglob("*") if file.is_file())
        shutil.rmtree(io, ignore_errors=True)
        return replace(erased, bytes=erased.bytes + size)

    def io_folder(self, tenant: Tenant) -> Path:
        self._open(tenant)
        return self._io(tenant)

    def tables(self, tenant: Tenant) -> tuple[str, ...]:
        return tuple(sorted(name for name, is_view in self._open(tenant).names().items() if not is_view))

    def columns(self, tenant: Tenant, table: str) -> tuple[str, ...]:
        return self._relations(tenant).columns(table)

    def ensure_table(self, tenant: Tenant, schema: TableSchema) -> TableChange:
        return self._relations(tenant).ensure_table(schema)

    def ensure_view(self, tenant: Tenant, name: str, sql: str) -> None:
        self._relations(tenant).ensure_view(name, sql)

    def drop_table(self, tenant: Tenant, table: str) -> bool:
        return self._relations(tenant).drop_table(table)

    def measure(self, tenant: Tenant, table: str) -> TableSize:
        return self._relations(tenant).measure(table)

    def stored_files(self, tenant: Tenant, table: str) -> tuple[StoredFile, ...]:  # noqa: ARG002 - the port names them
        return ()

    def query(self, tenant: Tenant, sql: str, params: Params | None = None) -> pa.Table:
        jobs, done = self._asked(tenant, sql, params)
        return jobs.arrow(done)

    def query_again(self, tenant: Tenant, sql: str, params: Params | None = None) -> pa.Table:
        """BigQuery alone knows what was written since, and keeps results by itself."""
        return self.query(tenant, sql, params)

    def stream(self, tenant: Tenant, sql: str, params: Params | None = None) -> Iterator[pa.RecordBatch]:
        """BigQuery keeps a query's result for itself until it is read, so what is streamed is one snapshot."""
        jobs, done = self._asked(tenant, sql, params)
        yield from jobs.batches(done)

    def publication(self, tenant: Tenant, run_id: str, fence: Fence) -> AbstractContextManager[Publication]:
        return self._publication(tenant, run_id, fence)

    def reaches(self, tenant: Tenant, rows: RemoteRows) -> bool:
        days = ", ".join(f"TIMESTAMP '{day.isoformat()}'" for day in rows.days)
        source = f"`{rows.project}.{rows.dataset}.{rows.table}`"
        try:
            # a dry run is free, and is refused just as the real one would be
            self._tenant_jobs(tenant).dry(f"SELECT 1 FROM {source} WHERE _PARTITIONTIME IN ({days})")
        # these say no; a question without an answer says nothing, and is asked again with its step
        except (Misconfigured, Missing, NotYours, Rejected):
            return False
        return True

    def last_generation(self, tenant: Tenant, scope: str) -> int:
        if not self.has_dataset(tenant):
            return 0
        return published_generation(self._tenant_jobs(tenant), scope)

    def export(self, tenant: Tenant, sql: str, to: str, file_format: ExportFormat, params: Params | None = None) -> Path:
        file_name(to)
        jobs, done = self._asked(tenant, sql, params)
        batches = jobs.batches(done)
        first = next(batches)
        target = self._io(tenant) / to
        part = target.with_name(f".{to}.part")
        try:
            with room_for_files(), part.open("wb") as file:
                part.chmod(OWNER_FILE)
                for piece in PIECES[file_format](first.schema, chain([first], batches)):
                    file.write(piece)
            # whole under its name or not at all: who looks at the folder meanwhile must not take a part for the file
            return part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def close(self) -> None:
        self._clients.close()

    def _asked(self, tenant: Tenant, sql: str, params: Params | None) -> tuple[WarehouseJobs, Done]:
        self._open(tenant).checked(sql)
        jobs = self._tenant_jobs(tenant)
        return jobs, jobs.run(sql, params)

    @contextmanager
    def _publication(self, tenant: Tenant, run_id: str, fence: Fence) -> Iterator[Publication]:
        catalogue = self._open(tenant)
        with self._clients.for_run(tenant) as link:
            jobs = self._labelled_jobs(tenant, link).labelled(run=run_id, pipeline=fence.scope)
            with publishing(jobs, self._io(tenant), run_id, fence, self._clock, catalogue) as publication:
                yield publication

    def _open(self, tenant: Tenant) -> DatasetCatalogue:
        catalogue = self._catalogue(tenant)
        catalogue.check_dataset()
        return catalogue

    def _catalogue(self, tenant: Tenant) -> DatasetCatalogue:
        jobs = self._tenant_jobs(tenant)
        with self._lock:
            held = self._catalogues.get(jobs.dataset)
            if held is None:
                held = self._catalogues[jobs.dataset] = DatasetCatalogue(jobs, self._clock, self._platform_jobs(tenant))
            self._catalogues.move_to_end(jobs.dataset)
            if len(self._catalogues) > CATALOGUES:
                self._catalogues.popitem(last=False)
            return held

    def _relations(self, tenant: Tenant) -> Relations:
        return Relations(self._tenant_jobs(tenant), self._open(tenant))

    def _owned(self, tenant: Tenant) -> Relations:
        jobs = self._platform_jobs(tenant)
        # a catalogue of its own: the one that is kept asks as the organisation's account
        return Relations(jobs, DatasetCatalogue(jobs, self._clock))

    def _platform_jobs(self, tenant: Tenant) -> WarehouseJobs:
        """Through the platform's own account: an organisation's may write in its dataset, and neither make one nor drop it."""
        return self._jobs(self._clients.platform(), dataset_of(tenant), self._limits)

    def _tenant_jobs(self, tenant: Tenant) -> WarehouseJobs:
        return self._labelled_jobs(tenant, self._clients.of(tenant))

    def _labelled_jobs(self, tenant: Tenant, link: AccountClients) -> WarehouseJobs:
        jobs = self._jobs(link, dataset_of(tenant), self._limits)
        return replace(jobs, labels={"org": label(tenant.org_slug), "environment": tenant.environment.suffix})

    def _jobs(self, link: AccountClients, dataset: str, limits: Limits) -> WarehouseJobs:
        return WarehouseJobs(link.client, link.reader, dataset, limits)

    def _io(self, tenant: Tenant) -> Path:
        folder = self._home / dataset_of(tenant)
        try:
            with room_for_files():
                folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
                folder.chmod(OWNER_ONLY)
        except OSError as refused:
            raise Misconfigured(
                f"the folder of files on their way to BigQuery cannot be used ({refused.strerror}); "
                "let SCRATCH_DIR name a folder this user may write to"
            ) from refused
        return folder
