"""BigQuery's jobs for one dataset: the only place that starts one.

Every job has an id before it is sent, so a request whose answer was lost is sent again without harm: BigQuery answers 409 and the job that
ran is read. A job with a `name` has the same id in every process that runs it: whoever comes second reads what the first did. A named job
that failed has used up its id, and the next call takes the next attempt's.
"""

import hashlib
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import pyarrow as pa
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.cloud import bigquery
from google.cloud.bigquery.enums import DecimalTargetType
from google.cloud.bigquery.format_options import ParquetOptions
from google.cloud.bigquery.table import RowIterator
from google.cloud.bigquery_storage import BigQueryReadClient
from google.cloud.bigquery_storage_v1.types import DataFormat, ReadSession

from src.core.base.faults import Timeout, Unavailable
from src.core.base.schema import TableSchema
from src.core.engine.bigquery.faults import as_faults
from src.core.engine.bigquery.types import arrow_schema, fields_of
from src.core.engine.bigquery.values import label, plain_batch, with_parameters
from src.core.engine.port import Params
from src.core.google.errors import is_lost

RETRY_SECONDS: Final = 20.0  # somebody may be waiting for the answer; a step is tried again as a whole
REQUEST_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 15.0  # BigQuery ends a job that takes too long by itself; this is how much later its answer may come
CANCEL_SECONDS: Final = 30.0  # BigQuery answers that it will cancel a job before it has
PAUSE_SECONDS: Final = 0.5
# a named job's failed tries have used up their ids, in this process and in those before it
ATTEMPTS: Final = 50
BULK_ROWS: Final = 10_000  # more rows than this are read through the Storage Read API; fewer come sooner in pages
PAGE_ROWS: Final = 10_000
BATCH_ROWS: Final = 65_536
# an id of BigQuery's may have 1,024 letters; dataset and attempt are added to this one
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,900}")

AnyJob = TypeVar("AnyJob", bigquery.QueryJob, bigquery.LoadJob)
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Limits:
    location: str
    maximum_bytes: int
    seconds: float

    @property
    def retry_seconds(self) -> float:
        return min(RETRY_SECONDS, self.seconds)


@dataclass(frozen=True, slots=True)
class Done:
    """A finished job. Of a script, `statements` are what it ran, in order, each with the rows it changed."""

    job_id: str
    affected: int
    rows: RowIterator | None
    statements: tuple[tuple[str, int], ...]
    result: bigquery.TableReference | None = None


@dataclass(frozen=True, slots=True)
class Dry:
    """What a statement would do. Tables are named `project.dataset.table`."""

    bytes: int
    tables: tuple[str, ...]
    fields: tuple[bigquery.SchemaField, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)


@dataclass(frozen=True, slots=True)
class WarehouseJobs:
    client: bigquery.Client
    read_client: Callable[[], BigQueryReadClient]
    dataset: str
    limits: Limits
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def project(self) -> str:
        return str(self.client.project)

    def labelled(self, *, run: str, pipeline: str) -> "WarehouseJobs":
        return replace(self, labels={**self.labels, "run": label(run), "pipeline": label(pipeline)})

    def run(
        self, sql: str, params: Params | None = None, *, name: str | None = None, destination: str | None = None, counted: bool = True
    ) -> Done:
        """GoogleSQL, one statement or a script; tables without a dataset are this one's. `destination` is overwritten by the result.

        What the statements of a script did is asked for when it is over, and the asking may fail: a caller can do without.
        """
        text, values = with_parameters(sql, params)
        config = self._config(bigquery.QueryJobConfig(query_parameters=values), billed=True)
        if destination:
            config.destination = f"{self.project}.{self.dataset}.{destination}"
            config.write_disposition = bigquery.WriteDisposition.WRITE_TRUNCATE

        def begin(job_id: str, retry: Retry) -> bigquery.QueryJob:
            # job_retry would go on sending for ten minutes, by the client's own list of what is worth it
            return self.client.query(text, config, job_id, retry=retry, timeout=REQUEST_SECONDS, job_retry=None)

        def wait(job: bigquery.QueryJob) -> RowIterator:
            seconds = self.limits.seconds + GRACE_SECONDS
            return job.result(page_size=PAGE_ROWS, retry=self.retry(), timeout=seconds, job_retry=None)

        with as_faults():
            job, rows = self._finished(begin, wait, name)
            return Done(job.job_id, *self._outcome(job, rows, counted), result=job.destination)

    def dry(self, sql: str, params: Params | None = None) -> Dry:
        text, values = with_parameters(sql, params)
        config = self._config(bigquery.QueryJobConfig(query_parameters=values, dry_run=True, use_query_cache=False))
        with as_faults():
            job = self.client.query(text, config, retry=self.retry(), timeout=REQUEST_SECONDS, job_retry=None)
            tables = tuple(f"{table.project}.{table.dataset_id}.{table.table_id}" for table in job.referenced_tables)
            return Dry(int(job.total_bytes_processed or 0), tables, tuple(job.schema or ()))

    def arrow(self, done: Done) -> pa.Table:
        schema = arrow_schema(done.rows.schema) if done.rows else pa.schema([])
        return pa.Table.from_batches(list(self.batches(done)), schema)

    def batches(self, done: Done) -> Iterator[pa.RecordBatch]:
        """At least one, so that the columns are known where there are no rows. What is held at once is a few pages."""
        if done.rows is None:
            return
        with as_faults():
            schema, any_rows = arrow_schema(done.rows.schema), False
            in_bulk = (done.rows.total_rows or 0) > BULK_ROWS
            for batch in self._bulk(done.result) if in_bulk and done.result else done.rows.to_arrow_iterable():
                # Google decides how much comes at once; who streams is promised bounded memory
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    any_rows = True
                    yield plain_batch(batch.slice(start, BATCH_ROWS), schema)
            if not any_rows:
                yield pa.RecordBatch.from_pylist([], schema)

    def _bulk(self, table: bigquery.TableReference) -> Iterator[pa.RecordBatch]:
        reader = self.read_client()
        wanted = ReadSession(
            table=f"projects/{table.project}/datasets/{table.dataset_id}/tables/{table.table_id}", data_format=DataFormat.ARROW
        )
        # one stream keeps the rows in their order, and what is held at once small
        session = reader.create_read_session(
            parent=f"projects/{self.project}", read_session=wanted, max_stream_count=1, retry=self.retry(), timeout=REQUEST_SECONDS
        )
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        for stream in session.streams:
            for message in reader.read_rows(stream.name, retry=self.retry(), timeout=self.limits.seconds):
                yield pa.ipc.read_record_batch(pa.py_buffer(message.arrow_record_batch.serialized_record_batch), schema)

    def load(
        self, files: Sequence[Path], table: str, schema: TableSchema, *, name: str | None = None, expires: datetime | None = None
    ) -> int:
        """Appends Parquet files to a table, made with the schema where there is none; how many rows they held.

        JSON does not come out of Parquet: such a column is made and loaded as STRING, to be parsed by the statement that reads it.
        """
        with as_faults():
            reference = bigquery.DatasetReference(self.project, self.dataset).table(table)
            made = bigquery.Table(reference, fields_of(schema, json="STRING"))
            # made here and not by the load job, which gives a table no end
            made.expires = expires
            if self.labels:
                made.labels = dict(self.labels)
            self.client.create_table(made, exists_ok=True, retry=self.retry(), timeout=REQUEST_SECONDS)
            # a job for each: an upload carries one file, and BigQuery takes several in one job only from Cloud Storage
            return sum(self._load(file, made, f"{name}-{number}" if name else None) for number, file in enumerate(files))

    def _load(self, file: Path, table: bigquery.Table, name: str | None) -> int:
        options = ParquetOptions()
        # without it BigQuery loads every array as an empty one, and says nothing
        options.enable_list_inference = True
        config = self._config(
            bigquery.LoadJobConfig(
                source_format=bigquery.SourceFormat.PARQUET,
                write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
                create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
                decimal_target_types=[DecimalTargetType.NUMERIC, DecimalTargetType.BIGNUMERIC],
            )
        )
        config.parquet_options = options
        config.schema = table.schema

        def begin(job_id: str, retry: Retry) -> bigquery.LoadJob:
            def upload() -> bigquery.LoadJob:
                # opened for each try: what a broken one has sent of it would be missing from the next
                with file.open("rb") as content:
                    return self.client.load_table_from_file(
                        content, table, size=file.stat().st_size, num_retries=0, job_id=job_id, job_config=config, timeout=REQUEST_SECONDS
                    )

            # what has taken its time to send is worth sending again
            return retry.with_timeout(min(REQUEST_SECONDS, self.limits.seconds))(upload)()

        def wait(job: bigquery.LoadJob) -> None:
            job.result(retry=self.retry(), timeout=self.limits.seconds + GRACE_SECONDS)

        job, _ = self._finished(begin, wait, name)
        return int(job.output_rows or 0)

    def _config(self, config: Any, *, billed: bool = False) -> Any:
        config.labels = dict(self.labels)
        config.job_timeout_ms = int(self.limits.seconds * 1000)
        # the check of the platform's rights has no dataset, and a load names its table whole
        if isinstance(config, bigquery.QueryJobConfig) and self.dataset:
            config.default_dataset = bigquery.DatasetReference(self.project, self.dataset)
        if billed:
            config.maximum_bytes_billed = self.limits.maximum_bytes
        return config

    def _finished(
        self, begin: Callable[[str, Retry], AnyJob], wait: Callable[[AnyJob], Outcome], name: str | None
    ) -> tuple[AnyJob, Outcome]:
        for attempt in range(1, ATTEMPTS + 1):
            job_id = self._id(name, attempt)
            lost: list[Exception] = []
            try:
                job, ours = begin(job_id, self.retry(lost)), True
            except exceptions.Conflict:
                # after a lost answer the job of that id is what this call has sent, and its outcome, good or bad, is the answer
                job, ours = cast("AnyJob", self._known(job_id)), bool(lost) or name is None
            try:
                return job, self._waited(job, wait)
            except exceptions.GoogleAPIError:
                # only a job that failed has used up its id; where the waiting failed,
                # the next attempt would run it a second time
                if ours or not self._known(job_id).error_result:
                    raise
        raise Unavailable(f"the job {self._id(name, 1)} has failed {ATTEMPTS} times, in this process or in others")

    def _waited(self, job: AnyJob, wait: Callable[[AnyJob], Outcome]) -> Outcome:
        try:
            return wait(job)
        except TimeoutError as late:
            if not self._stopped(job):
                told_so = f"the job {job.job_id} took longer than BIGQUERY_JOB_SECONDS; it was asked to be cancelled, but may still be done"
                raise Timeout(told_so) from late
        return wait(job)

    def _stopped(self, job: AnyJob) -> bool:
        """Whether it is over, in one way or the other: to cancel is a request, and a job may be done before it is heard."""
        job.cancel(retry=self.retry(), timeout=REQUEST_SECONDS)
        until = time.monotonic() + CANCEL_SECONDS
        while job.state != "DONE" and time.monotonic() < until:
            time.sleep(PAUSE_SECONDS)
            job.reload(retry=self.retry(), timeout=REQUEST_SECONDS)
        return bool(job.state == "DONE")

    def _known(self, job_id: str) -> bigquery.QueryJob | bigquery.LoadJob:
        # just after a conflict BigQuery may not find the job yet
        retry = self.retry(also=lambda error: isinstance(error, exceptions.NotFound))
        job = self.client.get_job(job_id, retry=retry, timeout=REQUEST_SECONDS)
        return cast("bigquery.QueryJob | bigquery.LoadJob", job)

    def _id(self, name: str | None, attempt: int) -> str:
        """Ids are the project's, so a named job's holds its dataset."""
        if name is None:
            return f"cdp-{uuid.uuid4().hex}"
        if not ID.fullmatch(name):
            # two names that differ in what an id cannot hold stay two
            name = f"{re.sub(r'[^A-Za-z0-9_-]', '-', name)[:800]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        return f"cdp-{self.dataset}-{name}-{attempt}"

    def _outcome(
        self, job: bigquery.QueryJob, rows: RowIterator, counted: bool
    ) -> tuple[int, RowIterator | None, tuple[tuple[str, int], ...]]:
        shown = rows if rows.schema else None
        if job.statement_type != "SCRIPT":
            affected = job.num_dml_affected_rows or 0
            return affected, shown, ((job.statement_type or "", affected),)
        if not counted:
            return 0, shown, ()
        children = sorted(self.client.list_jobs(parent_job=job, retry=self.retry(), timeout=REQUEST_SECONDS), key=_order)
        statements = tuple((child.statement_type or "", child.num_dml_affected_rows or 0) for child in children)
        return sum(affected for _, affected in statements), shown, statements

    def retry(self, lost: list[Exception] | None = None, also: Callable[[BaseException], bool] = lambda _: False) -> Retry:
        return Retry(
            predicate=lambda error: is_lost(error) or also(error),
            initial=0.1,
            maximum=5.0,
            timeout=self.limits.retry_seconds,
            on_error=lost.append if lost is not None else None,
        )


def _order(child: bigquery.QueryJob) -> tuple[datetime, int]:
    """The statements of a script are numbered at the end of their ids."""
    number = child.job_id.rpartition("_")[2]
    return child.created, int(number) if number.isdigit() else 0
