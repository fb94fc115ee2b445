"""The management tables and views as a BigQuery dataset has them."""

import secrets
from collections.abc import Callable, Sequence

from google.api_core.exceptions import Conflict, NotFound
from google.cloud import bigquery
from google.cloud.bigquery import Dataset, DatasetReference, SchemaField, TimePartitioning
from google.cloud.bigquery import Table as BigQueryTable
from google.cloud.bigquery.table import TableListItem
from sqlalchemy import Table

from src.core.base.faults import Throttled
from src.core.base.schema import Field, TableSchema
from src.core.base.settings import Settings
from src.core.ledger.bigquery.jobs import CALL_SECONDS, LedgerJobs, meant
from src.core.ledger.bigquery.statements import DIALECT, Statement
from src.core.ledger.model import LedgerModel, View

VIEW = "VIEW"


class BigQueryStructure:
    def __init__(self, jobs: LedgerJobs, dataset: DatasetReference, model: LedgerModel, settings: Settings) -> None:
        self._jobs = jobs
        self._dataset = dataset
        self._model = model
        self._settings = settings
        self._retry = bigquery.DEFAULT_RETRY.with_timeout(CALL_SECONDS)
        self._maker = secrets.token_hex(8)
        self._found: list[TableListItem] | None = None

    def tables(self) -> set[str]:
        return {found.table_id for found in self._listed() if found.table_type != VIEW}

    def views(self) -> set[str]:
        return {found.table_id for found in self._listed() if found.table_type == VIEW}

    def create(self, table: Table) -> bool:
        self._make_dataset()
        schema = self._model.schemas[table.name]
        made = BigQueryTable(self._dataset.table(table.name), schema=[_column(field) for field in schema.fields])
        made.description = schema.description
        made.time_partitioning = _partitioning(schema)
        made.clustering_fields = list(schema.cluster) or None
        made.labels = {"service": "convergence", "maker": self._maker}
        try:
            self._done(lambda: self._jobs.client.create_table(made, retry=self._retry, timeout=CALL_SECONDS), but=[Conflict])
        except Conflict:
            # an answer may have been lost, and the table be this one's after all
            return bool(self._there(table.name).labels.get("maker") == self._maker)
        return True

    def evolve(self, table: Table) -> list[str]:
        there = self._there(table.name)
        names = {column.name for column in there.schema}
        lacking = [field for field in self._model.schemas[table.name].fields if field.name not in names]
        if lacking:
            # rows that are there already have no value for it, whatever the schema file asks of new ones
            there.schema = [*there.schema, *(_column(field, mode="NULLABLE") for field in lacking)]
            self._done(lambda: self._jobs.client.update_table(there, ["schema"], retry=self._retry, timeout=CALL_SECONDS))
        return [field.name for field in lacking]

    def drop(self, table: Table) -> None:
        name = self._dataset.table(table.name)
        self._done(lambda: self._jobs.client.delete_table(name, retry=self._retry, timeout=CALL_SECONDS, not_found_ok=True))

    def clear(self, view: View) -> None:
        """It is replaced in one act by `show`."""

    def show(self, view: View) -> None:
        name = DIALECT.identifier_preparer.quote(view.name)
        self._jobs.change(Statement(f"CREATE OR REPLACE VIEW {name} AS {view.sql}", (), ()), None)

    def _there(self, name: str) -> BigQueryTable:
        return meant(lambda: self._jobs.client.get_table(self._dataset.table(name), retry=self._retry, timeout=CALL_SECONDS))

    def _listed(self) -> list[TableListItem]:
        if self._found is None:
            try:
                self._found = list(meant(lambda: self._jobs.client.list_tables(self._dataset, retry=self._retry, timeout=CALL_SECONDS)))
            except NotFound:
                self._found = []
        return self._found

    def _done(self, call: Callable[[], object], *, but: Sequence[type[Exception]] = ()) -> None:
        """A change of structure that BigQuery says it has not made, for others were at it, is made again."""
        pauses = self._jobs.pauses()
        while True:
            try:
                meant(call, but=but)
            except Throttled:
                if not pauses.again():
                    raise
            else:
                return

    def _make_dataset(self) -> None:
        made = Dataset(self._dataset)
        made.location = self._settings.bigquery_location
        self._done(lambda: self._jobs.client.create_dataset(made, exists_ok=True, retry=self._retry, timeout=CALL_SECONDS))


def _column(field: Field, mode: str | None = None) -> SchemaField:
    return SchemaField(field.name, field.type, mode=mode or field.mode, description=field.description)


def _partitioning(schema: TableSchema) -> TimePartitioning | None:
    if schema.partition is None:
        return None
    return TimePartitioning(type_=schema.partition.granularity.upper(), field=schema.partition.field)
