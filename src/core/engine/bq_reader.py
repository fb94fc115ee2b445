"""Tables of an organisation's BigQuery, read with its own credential. Its clients are of one run and never shared.

Two scopes are asked for, because Google grants no narrower ones: jobs.query and tables.get take bigquery.readonly, the Storage Read
API takes only bigquery. What the account may do is said by its roles, which need no writing one.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core.retry import Retry, if_exception_type
from google.cloud import bigquery
from google.cloud.bigquery_storage import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
from google.cloud.bigquery_storage_v1.types import DataFormat, ReadSession
from google.oauth2.service_account import Credentials

from src.core.base.faults import Rejected
from src.core.base.google_access import grpc_channel
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.engine.bq_reader_faults import Reading, told
from src.core.engine.port import LOAD_DAY
from src.core.engine.remote import RemoteDay, RemoteTable

READ_ONLY: Final = "https://www.googleapis.com/auth/bigquery.readonly"
STORAGE: Final = "https://www.googleapis.com/auth/bigquery"
PROJECT: Final = re.compile(r"(?:[a-z0-9.-]{1,200}:)?[a-z][a-z0-9-]{4,61}[a-z0-9]")
DATASET: Final = re.compile(r"[A-Za-z0-9_]{1,1024}")
TABLE: Final = re.compile(r"[A-Za-z0-9_-]{1,300}")
PARTITION: Final = re.compile(r"\d{8}")
LONGEST_QUESTION: Final = 180.0  # seconds; jobs.query itself waits 200 at most, and what it does not finish needs a wider scope to ask on
ONCE: Final = Retry(if_exception_type())  # the step is tried again as a whole: one layer retries
GROUP_BYTES: Final = 32 * 1024 * 1024
GROUP_ROWS: Final = 100_000
COMPRESSION: Final = "lz4"  # written once and read once: zstd takes up to twice as long to write, for a twentieth of the room

# Rows still in the streaming buffer are of __UNSTREAMED__ and of no day yet. A range of digits leaves it out, as it does __NULL__; the
# day they then come to is listed in another version.
PARTITIONS: Final = """
SELECT partition_id, total_rows, total_logical_bytes, last_modified_time
FROM `{project}.{dataset}.INFORMATION_SCHEMA.PARTITIONS`
WHERE table_name = @table AND partition_id BETWEEN @first AND @last
ORDER BY partition_id
"""
READABLE: Final = "SELECT * FROM `{project}.{dataset}.{table}` WHERE _PARTITIONTIME IN UNNEST(@days)"
RESTRICTION: Final = "_PARTITIONTIME = TIMESTAMP '{day} 00:00:00+00:00'"


class Key(Credentials):
    """A service account that is known only to the addresses the settings name."""

    def _build_regional_access_boundary_lookup_url(self, request: object = None) -> None:
        """Without one the library asks nothing of an address of its own; BigQuery answers as well without what it would be told there."""


class BigQueryTables:
    def __init__(self, settings: Settings, credential: Secret, labels: Mapping[str, str]) -> None:
        key = json.loads(credential.reveal())
        self._settings = settings
        self._labels = dict(labels)
        self._account = str(key["client_email"])
        self._project = str(key["project_id"])
        # whatever address the credential itself names is not asked
        self._credentials: Any = Key.from_service_account_info({**key, "token_uri": settings.gcp_token_url})  # type: ignore[no-untyped-call]
        self._facts: dict[RemoteTable, bigquery.Table] = {}

    def days(self, table: RemoteTable, since: date, until: date) -> tuple[RemoteDay, ...]:
        if since > until:
            return ()
        location = self._described(table).location
        values = {"table": table.table, "first": f"{since:%Y%m%d}", "last": f"{until:%Y%m%d}"}
        parameters = [bigquery.ScalarQueryParameter(name, "STRING", value) for name, value in values.items()]
        sql = PARTITIONS.format(project=table.project, dataset=table.dataset)
        with self._told(table):
            rows = [dict(row.items()) for row in self._asked(sql, bigquery.QueryJobConfig(query_parameters=parameters), location)]
        return tuple(_day_of(row) for row in rows if row["total_rows"] and PARTITION.fullmatch(row["partition_id"] or ""))

    def prove(self, table: RemoteTable, days: Sequence[date]) -> None:
        """A listing of partitions needs no right to read them; planning to read them does."""
        location = self._described(table).location
        moments = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
        config = bigquery.QueryJobConfig(
            query_parameters=[bigquery.ArrayQueryParameter("days", "TIMESTAMP", moments)], dry_run=True, use_query_cache=False
        )
        with self._told(table):
            self._asked(READABLE.format(project=table.project, dataset=table.dataset, table=table.table), config, location)

    def read(self, table: RemoteTable, day: date, path: Path, told: Callable[[int], None]) -> int:
        named = _checked(table)
        wanted = ReadSession(
            table=f"projects/{named.project}/datasets/{named.dataset}/tables/{named.table}",
            data_format=DataFormat.ARROW,
            read_options=ReadSession.TableReadOptions(row_restriction=RESTRICTION.format(day=day)),
        )
        with self._told(table):
            session = self._storage.create_read_session(
                parent=f"projects/{self._project}",
                read_session=wanted,
                max_stream_count=1,  # read one after the other, so that what is held is of one
                retry=ONCE,
                timeout=self._settings.provider_timeout_seconds,
            )
            schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
            return _written(self._batches(session, schema), schema, day, path, told)

    def close(self) -> None:
        opened: dict[str, Any] = self.__dict__
        if "_client" in opened:
            opened["_client"].close()
        if "_storage" in opened:
            opened["_storage"].transport.close()

    def _batches(self, session: ReadSession, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for stream in session.streams:
            answer = self._storage.read_rows(stream.name, retry=ONCE, timeout=self._settings.bigquery_job_seconds)
            for message in answer:
                yield pa.ipc.read_record_batch(pa.py_buffer(message.arrow_record_batch.serialized_record_batch), schema)

    def _asked(self, sql: str, config: bigquery.QueryJobConfig, location: str) -> Any:
        config.labels = self._labels
        config.maximum_bytes_billed = self._settings.bigquery_maximum_bytes_billed
        seconds = min(self._settings.bigquery_job_seconds, LONGEST_QUESTION)
        config.job_timeout_ms = int(seconds * 1000)
        return self._client.query_and_wait(
            sql, job_config=config, location=location, api_timeout=seconds, wait_timeout=seconds, retry=ONCE, job_retry=ONCE
        )

    def _described(self, table: RemoteTable) -> bigquery.Table:
        if table not in self._facts:
            named = _checked(table)
            with self._told(table):
                seconds = self._settings.provider_timeout_seconds
                self._facts[table] = self._client.get_table(f"{named.project}.{named.dataset}.{named.table}", retry=ONCE, timeout=seconds)
            _require_load_days(table, self._facts[table])
        return self._facts[table]

    def _told(self, table: RemoteTable) -> AbstractContextManager[None]:
        return told(Reading(self._account, table, self._project))

    @cached_property
    def _client(self) -> bigquery.Client:
        return bigquery.Client(
            project=self._project,
            credentials=self._credentials.with_scopes([READ_ONLY]),
            client_options={"api_endpoint": self._settings.bigquery_url},
        )

    @cached_property
    def _storage(self) -> BigQueryReadClient:
        channel = grpc_channel(self._settings.bigquery_storage_url, self._credentials.with_scopes([STORAGE]))
        return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))


def open_tables(settings: Settings, credential: Secret, labels: Mapping[str, str]) -> BigQueryTables:
    return BigQueryTables(settings, credential, labels)


def _checked(table: RemoteTable) -> RemoteTable:
    shapes = ((table.project, PROJECT), (table.dataset, DATASET), (table.table, TABLE))
    wrong = next((name for name, shape in shapes if not shape.fullmatch(name)), None)
    if wrong is not None:
        raise Rejected(f"{wrong[:80]!r} is no name of a project, dataset or table of BigQuery")
    return table


def _require_load_days(table: RemoteTable, facts: bigquery.Table) -> None:
    parts = facts.time_partitioning
    if facts.table_type != "TABLE" or parts is None or parts.field is not None or parts.type_ != bigquery.TimePartitioningType.DAY:
        raise Rejected(
            f"{table} is not partitioned by the day its rows were written (_PARTITIONTIME), as Google's own exports are; name the export "
            "itself in settings.tables, not a view or a copy of it"
        )


def _day_of(row: Mapping[str, Any]) -> RemoteDay:
    rows, size, modified = row["total_rows"], row["total_logical_bytes"] or 0, row["last_modified_time"]
    day = datetime.strptime(row["partition_id"], "%Y%m%d").replace(tzinfo=UTC).date()
    return RemoteDay(day, rows, size, f"{modified:%Y%m%dT%H%M%S.%fZ}-{rows}-{size}")


def _written(batches: Iterator[pa.RecordBatch], schema: pa.Schema, day: date, path: Path, told: Callable[[int], None]) -> int:
    """A row group at a time, so that of a day of any size no more than one is held."""
    dated = LOAD_DAY not in schema.names
    whole = schema.append(pa.field(LOAD_DAY, pa.date32())) if dated else schema
    rows = 0
    with closing(pq.ParquetWriter(path, whole, compression=COMPRESSION)) as writer:
        for group in _groups(batches):
            table = pa.Table.from_batches(group, schema)
            if dated:
                table = table.append_column(whole.field(LOAD_DAY), pa.repeat(pa.scalar(day, pa.date32()), len(table)))
            writer.write_table(table, row_group_size=GROUP_ROWS)
            rows += len(table)
            told(len(table))
    return rows


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield held
            held, rows, size = [], 0, 0
    if held:
        yield held
