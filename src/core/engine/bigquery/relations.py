"""The tables and views of one dataset, made and changed through BigQuery's API and never by SQL."""

from typing import Final

from google.api_core import exceptions
from google.cloud.bigquery import AccessEntry, Dataset, SchemaField, Table

from src.core.base.faults import Conflict, Missing, Rejected, Throttled
from src.core.base.identity import Tenant
from src.core.base.names import identifier
from src.core.base.schema import TableSchema
from src.core.engine.bigquery.catalogue import FENCES, DatasetCatalogue, is_kept, qualified
from src.core.engine.bigquery.faults import RETRY_SECONDS, as_faults
from src.core.engine.bigquery.jobs import REQUEST_SECONDS, WarehouseJobs
from src.core.engine.bigquery.types import evolution, fields_of, partitioning
from src.core.engine.bigquery.values import label
from src.core.engine.naming import check_free, check_names
from src.core.engine.port import DroppedDataset, TableChange, TableSize

TRIES: Final = 3  # another process may change the same table between a look at it and the change
WRITER: Final = "WRITER"
FENCE_COLUMNS: Final = (
    SchemaField("scope", "STRING", "REQUIRED", description="What is published in turn: a pipeline, or a table"),
    SchemaField("generation", "INTEGER", description="Of the last publication; a lower one is refused"),
    SchemaField("run_id", "STRING", description="The run that published it"),
    SchemaField("published_at", "TIMESTAMP", description="When it did"),
)


class Relations:
    def __init__(self, jobs: WarehouseJobs, catalogue: DatasetCatalogue) -> None:
        self._jobs, self._catalogue = jobs, catalogue
        self._client = jobs.client

    def make(self, tenant: Tenant, account: str | None) -> bool:
        """The dataset with its fences; `account` may write in it. Whether it was made now."""
        dataset = Dataset(self._catalogue.reference)
        dataset.location = self._jobs.limits.location
        dataset.description = f"Cost data of {tenant.org_slug}, kept by the Convergence Data Pipeline"
        dataset.labels = {"org": label(tenant.org_slug), "environment": tenant.environment.suffix}
        with as_faults():
            try:
                self._client.create_dataset(dataset, retry=self._jobs.retry(), timeout=REQUEST_SECONDS)
                made = True
            except exceptions.Conflict:
                made = False
            # also where the dataset was there: whoever made it may have died before this
            if account:
                self._admit(account)
            fences = Table(self._catalogue.table(FENCES), FENCE_COLUMNS)
            fences.description = "Which publication of each scope was the last; kept by the warehouse itself"
            self._client.create_table(fences, exists_ok=True, retry=self._jobs.retry(), timeout=REQUEST_SECONDS)
        return made

    def _admit(self, account: str) -> None:
        dataset = self._client.get_dataset(self._catalogue.reference, retry=self._jobs.retry(), timeout=REQUEST_SECONDS)
        if any(entry.entity_id == account and entry.role == WRITER for entry in dataset.access_entries):
            return
        dataset.access_entries = [*dataset.access_entries, AccessEntry(WRITER, "userByEmail", account)]
        # the client sends the version it read, so two that admit accounts at once do not undo each other
        self._client.update_dataset(dataset, ["access_entries"], retry=self._jobs.retry(), timeout=REQUEST_SECONDS)

    def drop(self) -> DroppedDataset:
        """The dataset and all that is in it."""
        if not self._catalogue.exists():
            return DroppedDataset(existed=False)
        names = self._catalogue.names()
        described = [self._catalogue.described(name) for name, is_view in names.items() if not is_view]
        with as_faults():
            self._client.delete_dataset(
                self._catalogue.reference, delete_contents=True, not_found_ok=True, retry=self._jobs.retry(), timeout=REQUEST_SECONDS
            )
        size = sum(table.num_bytes or 0 for table in described if table)
        return DroppedDataset(existed=True, tables=len(described), views=len(names) - len(described), bytes=size)

    def columns(self, name: str) -> tuple[str, ...]:
        relation = self._catalogue.need(name)
        # the columns BigQuery notes for a view are those of its making, whatever its tables have gained since
        return self._jobs.dry(f"SELECT * FROM `{name}`").columns if relation.view else relation.columns

    def measure(self, name: str) -> TableSize:
        table = self._catalogue.described(name)
        if table is None or table.view_query or is_kept(name):
            raise Missing(f"there is no table {name[:80]!r} in this dataset")
        return TableSize(rows=int(table.num_rows or 0), bytes=int(table.num_bytes or 0))

    def drop_table(self, name: str) -> bool:
        table = self._catalogue.described(name)
        if table is None or table.view_query or is_kept(name):
            return False
        with as_faults():
            self._client.delete_table(self._catalogue.table(name), not_found_ok=True, retry=self._jobs.retry(), timeout=REQUEST_SECONDS)
        self._catalogue.forget(name)
        return True

    def ensure_table(self, schema: TableSchema) -> TableChange:
        self._check_name(schema.name)
        check_names(schema)
        try:
            for _ in range(TRIES):
                held = self._catalogue.described(schema.name)
                change = self._created(schema) if held is None else self._evolved(schema, held)
                if change:
                    return change
        finally:
            self._catalogue.forget(schema.name)
        raise Throttled(f"{schema.name} is being changed by others; run this again", retry_after=RETRY_SECONDS)

    def ensure_view(self, name: str, sql: str) -> None:
        self._check_name(name)
        text = qualified(sql, self._catalogue.checked(sql, "view"), self._jobs)
        held = self._catalogue.described(name)
        if held is None:
            check_free(name, self._catalogue.names())
        elif not held.view_query:
            raise Conflict(f"{name} is a table already; a view needs another name")
        elif held.view_query.strip() == text.strip():
            return
        if held is not None or not self._viewed(name, text):
            # in one statement, so that who reads it meanwhile finds the old view or the new one
            self._jobs.run(f"CREATE OR REPLACE VIEW `{name}` AS\n{text}")
        self._catalogue.forget(name)

    def _viewed(self, name: str, text: str) -> bool:
        view = Table(self._catalogue.table(name))
        view.view_query = text
        with as_faults():
            try:
                self._client.create_table(view, retry=self._jobs.retry(), timeout=REQUEST_SECONDS)
            except exceptions.Conflict:
                return False
        return True

    def _check_name(self, name: str) -> None:
        if is_kept(identifier(name)):
            raise Rejected(f"{name} is kept by the warehouse itself")

    def _created(self, schema: TableSchema) -> TableChange | None:
        check_free(schema.name, self._catalogue.names())
        table = Table(self._catalogue.table(schema.name), fields_of(schema))
        table.time_partitioning = partitioning(schema)
        table.clustering_fields = list(schema.cluster) or None
        table.description = schema.description or None
        with as_faults():
            try:
                self._client.create_table(table, retry=self._jobs.retry(), timeout=REQUEST_SECONDS)
            except exceptions.Conflict:
                return None
        return TableChange(created=True, columns_added=schema.columns)

    def _evolved(self, schema: TableSchema, held: Table) -> TableChange | None:
        if held.view_query:
            raise Conflict(f"{schema.name} is a view already; a table needs another name")
        wanted = evolution(schema, held.schema, held.reference)
        changed = []
        if tuple(held.schema) != wanted.fields:
            held.schema = list(wanted.fields)
            changed.append("schema")
        if schema.cluster and tuple(held.clustering_fields or ()) != schema.cluster:
            held.clustering_fields = list(schema.cluster)
            changed.append("clustering_fields")
        if schema.description and held.description != schema.description:
            held.description = schema.description
            changed.append("description")
        if changed:
            with as_faults():
                try:
                    self._client.update_table(held, changed, retry=self._jobs.retry(), timeout=REQUEST_SECONDS)
                except exceptions.PreconditionFailed:
                    return None
        return TableChange(created=False, columns_added=wanted.added)
