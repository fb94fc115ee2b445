"""The warehouse port on DuckDB: one file per dataset, one process."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import duckdb
import pyarrow as pa

from src.core.base.clock import Clock
from src.core.base.faults import Conflict, Fault, Misconfigured, Missing, Rejected, Unavailable
from src.core.base.identity import Tenant
from src.core.base.names import identifier
from src.core.base.schema import SliceColumns, TableSchema
from src.core.base.settings import Settings
from src.core.engine.duckdb.erasure import ERASED, erase
from src.core.engine.duckdb.instance import FACTS, HOUSEKEEPING, OWNER_FILE, VIEWS, Instance
from src.core.engine.duckdb.instances import Instances
from src.core.engine.duckdb.publication import published_generation, publishing, table_scope
from src.core.engine.duckdb.store.listing import files_of
from src.core.engine.duckdb.store.proving import proven_files
from src.core.engine.duckdb.store.tables import carry_out, drop_sliced, plan_table
from src.core.engine.duckdb.store.views import ROWS_OF
from src.core.engine.duckdb.types import creation, evolution, quoted
from src.core.engine.files.datasets import is_made, lost
from src.core.engine.files.folder import check_folder
from src.core.engine.naming import check_free, check_names, dataset_of, file_name
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
from src.core.engine.values import bound_values, plain_batch, plain_table

TRAITS = Traits(dialect="duckdb", one_process=True, transactional_ddl=True, reads_remote=False, keeps_files=True)
WAIT_SECONDS = 10.0
STREAM_ROWS = 65_536
BLOCK_BYTES = 262_144  # DuckDB's default block, the unit in which a table takes room on disk
COPY_OPTIONS: dict[ExportFormat, str] = {"parquet": "FORMAT parquet, COMPRESSION zstd", "csv": "FORMAT csv, HEADER true"}
TABLES = "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY table_name"
REQUIRED = "SELECT column_name FROM duckdb_columns() WHERE NOT internal AND table_name = $table AND NOT is_nullable"
FORGET_FACTS = f"DELETE FROM {FACTS} WHERE table_name = $table"
TOLD_FACTS = f"SELECT partition_field, partition_granularity, cluster_fields, description FROM {FACTS} WHERE table_name = $table"
KEEP_FACTS = f"INSERT INTO {FACTS} VALUES ($table, $field, $granularity, $cluster, $description)"
BLOCKS = (
    "SELECT count(DISTINCT block) FROM (SELECT unnest(list_append(additional_block_ids, block_id)) AS block "
    "FROM pragma_storage_info($table)) WHERE block >= 0"
)


def open_warehouse(settings: Settings, clock: Clock, home: Path, claim: ProcessLock | None) -> "DuckDBWarehouse":
    if claim is None:
        raise Misconfigured("the embedded warehouse is opened by the process that has claimed it")
    return DuckDBWarehouse(settings, clock, home, claim)


class DuckDBWarehouse:
    def __init__(self, settings: Settings, clock: Clock, home: Path, claim: ProcessLock, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._home, self._clock, self._lock = home, clock, claim
        self._instances = Instances(home, settings, wait_seconds)
        for left in home.glob(f"{ERASED}*"):
            # a process died while it erased this; what cannot go now goes, or says why, when its dataset is dropped again
            shutil.rmtree(left, ignore_errors=True)

    @property
    def traits(self) -> Traits:
        return TRAITS

    @property
    def opened(self) -> tuple[str, ...]:
        """The datasets that are open, the least used first."""
        return self._instances.opened

    def check(self) -> None:
        check_folder(self._home)

    def lost_datasets(self) -> dict[str, Fault]:
        return self._instances.damage.faults

    def ensure_dataset(self, tenant: Tenant) -> bool:
        made = not self.has_dataset(tenant)
        with self._instances.lease(dataset_of(tenant), create=True):
            return made

    def has_dataset(self, tenant: Tenant) -> bool:
        return is_made(self._instances.folder(dataset_of(tenant)))

    def drop_dataset(self, tenant: Tenant) -> DroppedDataset:
        tables, views = self._relations(tenant)
        with self._instances.alone(dataset_of(tenant)) as folder:
            existed, size = erase(folder)
        return DroppedDataset(existed=existed, tables=tables, views=views, bytes=size)

    def io_folder(self, tenant: Tenant) -> Path:
        with self._open(tenant) as instance:
            return instance.io

    def tables(self, tenant: Tenant) -> tuple[str, ...]:
        with self._open(tenant) as instance, instance.cursor() as cursor:
            return tuple(sorted((*_names(cursor, TABLES), *instance.catalogue().sliced)))

    def columns(self, tenant: Tenant, table: str) -> tuple[str, ...]:
        with self._open(tenant) as instance:
            return tuple(instance.catalogue().need(table))

    def ensure_table(self, tenant: Tenant, schema: TableSchema) -> TableChange:
        name = identifier(schema.name)
        check_names(schema)
        if name in HOUSEKEEPING:
            raise Rejected(f"{name} is kept by the warehouse itself")
        with self._open(tenant) as instance, instance.schema_lock, instance.kept.writing():
            check_free(name, instance.catalogue().columns)
            slices = instance.catalogue().sliced.get(name, schema.slices)
            if slices:
                return self._ensure_sliced(instance, schema, slices)
            if name not in instance.catalogue().columns:
                _apply(instance, schema, _each((creation(schema),)))
                instance.tables[name] = schema
                return TableChange(created=True, columns_added=schema.columns)
            if instance.tables.get(name) == schema:
                return TableChange(created=False)
            with instance.cursor() as cursor:
                if name in _names(cursor, VIEWS):
                    raise Conflict(f"{name} is a view already; a table needs another name")
                required = frozenset(column for (column,) in cursor.execute(REQUIRED, {"table": name}).fetchall())
                change = evolution(schema, cursor.sql(f"SELECT * FROM {quoted(name)} LIMIT 0"), required)
                told = cursor.execute(TOLD_FACTS, {"table": name}).fetchone()
            # nothing is altered without need: whoever is writing to the table would fail at it
            if change.statements or told != tuple(_facts(schema).values())[1:]:
                _apply(instance, schema, _each(change.statements))
            instance.tables[name] = schema
            return TableChange(created=False, columns_added=change.added)

    def _ensure_sliced(self, instance: Instance, schema: TableSchema, slices: SliceColumns) -> TableChange:
        if instance.tables.get(schema.name) == schema:
            return TableChange(created=False)
        claimed, committed = list[str](), False

        def claim(file: str) -> None:
            instance.reclaim.claim(file)
            claimed.append(file)

        with instance.cursor() as cursor:
            plan = plan_table(cursor, instance.raw, schema, slices)
        try:
            if plan.change.created or plan.change.columns_added or plan.differs or plan.carries:
                _apply(instance, schema, lambda cursor: carry_out(cursor, instance.raw, plan, self._clock.now(), claim))
            committed = True
        finally:
            # after a fatal error in the commit nobody knows: the next opening asks the list
            instance.reclaim.settle(claimed, [], committed=None if instance.broken and not committed else committed)
        instance.tables[schema.name] = schema
        return plan.change

    def ensure_view(self, tenant: Tenant, name: str, sql: str) -> None:
        identifier(name)
        with self._open(tenant) as instance, instance.schema_lock, instance.kept.writing():
            check_free(name, instance.catalogue().columns)
            if instance.views.get(name) == sql and name in instance.catalogue().columns:
                return
            rendered = instance.catalogue().render(sql, "view")
            with instance.cursor() as cursor:
                if name in (*_names(cursor, TABLES), *instance.catalogue().sliced, *HOUSEKEEPING):
                    raise Conflict(f"{name} is a table already; a view needs another name")
                cursor.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS {rendered.sql}")
            instance.forget_catalogue()
            instance.views[name] = sql

    def drop_table(self, tenant: Tenant, table: str) -> bool:
        with self._open(tenant) as instance, instance.schema_lock, instance.kept.writing(), instance.cursor() as cursor:
            if table in instance.catalogue().sliced:
                cursor.begin()
                files = drop_sliced(cursor, table)
                cursor.execute(FORGET_FACTS, {"table": table})
                cursor.commit()
                instance.reclaim.settle([], files, committed=True)
                instance.tables.pop(table, None)
                instance.forget_catalogue()
                return True
            if table not in _names(cursor, TABLES):
                return False
            cursor.execute(f"DROP TABLE {quoted(table)}")
            cursor.execute(FORGET_FACTS, {"table": table})
            instance.tables.pop(table, None)
            instance.forget_catalogue()
            return True

    def measure(self, tenant: Tenant, table: str) -> TableSize:
        with self._open(tenant) as instance, instance.cursor() as cursor:
            if table in instance.catalogue().sliced:
                files = files_of(cursor, table)
                return TableSize(rows=sum(one.rows for one in files), bytes=sum(one.bytes for one in files))
            if table not in _names(cursor, TABLES):
                raise Missing(f"there is no table {table[:80]!r} in this dataset")
            [(rows,)] = cursor.execute(f"SELECT count(*) FROM {quoted(table)}").fetchall()
            with suppress(duckdb.TransactionException):  # while others write, what they have not settled counts as nothing
                cursor.execute("CHECKPOINT")  # rows still in the log take no blocks yet
            [(blocks,)] = cursor.execute(BLOCKS, {"table": table}).fetchall()
            return TableSize(rows=rows, bytes=blocks * BLOCK_BYTES)

    def stored_files(self, tenant: Tenant, table: str) -> tuple[StoredFile, ...]:
        with self._open(tenant) as instance, instance.cursor() as cursor:
            return proven_files(cursor, instance.raw, table)

    def query(self, tenant: Tenant, sql: str, params: Params | None = None) -> pa.Table:
        with self._open(tenant) as instance:
            return _queried(instance, sql, params)

    def query_again(self, tenant: Tenant, sql: str, params: Params | None = None) -> pa.Table:
        with self._open(tenant) as instance:
            return instance.kept.of(f"{sql}\n{sorted((params or {}).items())!r}", lambda: _queried(instance, sql, params))

    def stream(self, tenant: Tenant, sql: str, params: Params | None = None) -> Iterator[pa.RecordBatch]:
        with self._open(tenant) as instance, instance.cursor() as cursor:
            rendered = instance.catalogue().render(sql)
            reader = cursor.sql(rendered.sql, params=bound_values(params, rendered.parameters)).to_arrow_reader(STREAM_ROWS)
            try:
                for batch in reader:
                    yield plain_batch(batch)
            finally:
                reader.close()

    def publication(self, tenant: Tenant, run_id: str, fence: Fence) -> AbstractContextManager[Publication]:
        return self._publication(tenant, run_id, fence)

    def reaches(self, tenant: Tenant, rows: RemoteRows) -> bool:  # noqa: ARG002 - the port names them
        return False

    def last_generation(self, tenant: Tenant, scope: str) -> int:
        if not self.has_dataset(tenant):
            return 0
        with self._open(tenant) as instance:
            return published_generation(instance, scope)

    def export(self, tenant: Tenant, sql: str, to: str, file_format: ExportFormat, params: Params | None = None) -> Path:
        file_name(to)
        with self._open(tenant) as instance, instance.cursor() as cursor:
            rendered = instance.catalogue().render(sql)
            target = instance.io / to
            # no export can be given this name, for theirs begin with a letter or a digit
            part = instance.io / f".{to}.part"
            values = {**bound_values(params, rendered.parameters), "x_target": str(part)}
            try:
                cursor.execute(f"COPY ({rendered.sql}) TO $x_target ({COPY_OPTIONS[file_format]})", values).fetchall()
                part.chmod(OWNER_FILE)
                # at once and whole: who looks at the folder meanwhile sees the old file or the new one
                return part.replace(target)
            finally:
                part.unlink(missing_ok=True)

    def close(self) -> None:
        self._instances.close()
        self._lock.release()

    def _relations(self, tenant: Tenant) -> tuple[int, int]:
        """How many tables and views there are; a file too damaged to tell counts as none, for it must be erasable all the same."""
        try:
            with self._open(tenant) as instance, instance.cursor() as cursor:
                sliced = instance.catalogue().sliced
                views = [name for name in _names(cursor, VIEWS) if name not in sliced and not name.startswith(ROWS_OF)]
                return len(_names(cursor, TABLES)) + len(sliced), len(views)
        except (Unavailable, Misconfigured, Rejected):
            return 0, 0

    @contextmanager
    def _publication(self, tenant: Tenant, run_id: str, fence: Fence) -> Iterator[Publication]:
        with self._open(tenant) as instance, publishing(instance, run_id, fence, self._clock) as publication:
            yield publication

    @contextmanager
    def _open(self, tenant: Tenant) -> Iterator[Instance]:
        if not self.has_dataset(tenant):
            raise lost(self._instances.folder(dataset_of(tenant)))
        with self._instances.lease(dataset_of(tenant)) as instance:
            yield instance


def _queried(instance: Instance, sql: str, params: Params | None) -> pa.Table:
    with instance.cursor() as cursor:
        rendered = instance.catalogue().render(sql)
        return plain_table(cursor.sql(rendered.sql, params=bound_values(params, rendered.parameters)).to_arrow_table())


def _names(cursor: duckdb.DuckDBPyConnection, listing: str) -> tuple[str, ...]:
    return tuple(name for (name,) in cursor.execute(listing).fetchall() if name not in HOUSEKEEPING)


def _each(statements: tuple[str, ...]) -> Callable[[duckdb.DuckDBPyConnection], None]:
    def execute(cursor: duckdb.DuckDBPyConnection) -> None:
        for statement in statements:
            cursor.execute(statement)

    return execute


def _apply(instance: Instance, schema: TableSchema, change: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
    # with the table, for a replacement refuses one that has no fence
    instance.seed(table_scope(schema.name))
    with instance.cursor() as cursor:
        cursor.begin()
        change(cursor)
        cursor.execute(FORGET_FACTS, {"table": schema.name})
        cursor.execute(KEEP_FACTS, _facts(schema))
        cursor.commit()
    instance.forget_catalogue()


def _facts(schema: TableSchema) -> dict[str, object]:
    partition = schema.partition
    return {
        "table": schema.name,
        "field": partition.field if partition else None,
        "granularity": partition.granularity if partition else None,
        "cluster": list(schema.cluster),
        "description": schema.description,
    }
