"""An organisation's service account at Google, with clients of one run that are never shared.

Two scopes are asked for, because Google grants no narrower ones: jobs.query and tables.get take bigquery.readonly; the Storage Read API
and questions about a job take only bigquery. What the account may do is said by its roles, which need no writing one; and SQL goes under
the reading scope alone, whatever roles the account has.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

import pyarrow as pa
from google.api_core.retry import Retry, if_exception_type
from google.auth.crypt import RSASigner
from google.cloud import bigquery
from google.cloud.bigquery_storage import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
from google.cloud.bigquery_storage_v1.types import DataFormat, ReadSession
from google.oauth2.service_account import Credentials

from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.base.signing_key import signing_key
from src.core.google.access import grpc_channel

READ_ONLY: Final = "https://www.googleapis.com/auth/bigquery.readonly"
FULL: Final = "https://www.googleapis.com/auth/bigquery"
LONGEST_ANSWER: Final = 180.0  # seconds; jobs.query itself waits 200 at most
ONCE: Final = Retry(if_exception_type())  # the step is tried again as a whole: one layer retries
GROUP_BYTES: Final = 32 * 1024 * 1024
GROUP_ROWS: Final = 100_000


class Key(Credentials):
    """A service account that is known only to the addresses the settings name."""

    def _build_regional_access_boundary_lookup_url(self, request: object = None) -> None:
        """Without one the library asks nothing of an address of its own; BigQuery answers as well without what it would be told there."""


class BigQueryAccess:
    def __init__(self, settings: Settings, credential: Secret, labels: Mapping[str, str]) -> None:
        key = json.loads(credential.reveal())
        self.settings = settings
        self.account = str(key["client_email"])
        self.project = str(key["project_id"])
        self._labels = dict(labels)
        # handed over loaded: the library's own way proves the primes, and holds every other thread up meanwhile
        signer = RSASigner(signing_key(key["private_key"]), key["private_key_id"])
        # whatever address the credential itself names is not asked
        self._credentials: Any = Key(  # type: ignore[no-untyped-call]
            signer, service_account_email=self.account, token_uri=settings.gcp_token_url, project_id=self.project
        )

    @cached_property
    def client(self) -> bigquery.Client:
        """For whatever is asked in SQL."""
        return self._opened(READ_ONLY)

    @cached_property
    def job_client(self) -> bigquery.Client:
        """For what has become of a question that was asked by `client`."""
        return self._opened(FULL)

    @cached_property
    def storage(self) -> BigQueryReadClient:
        channel = grpc_channel(self.settings.bigquery_storage_url, self._credentials.with_scopes([FULL]))
        return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))

    @property
    def answer_seconds(self) -> float:
        return min(self.settings.bigquery_job_seconds, LONGEST_ANSWER)

    def bounded(self, config: bigquery.QueryJobConfig, seconds: float) -> bigquery.QueryJobConfig:
        config.labels = dict(self._labels)
        # the organisation pays for what is scanned: a query that would scan more is refused before it costs anything
        config.maximum_bytes_billed = self.settings.bigquery_maximum_bytes_billed
        config.job_timeout_ms = int(seconds * 1000)
        return config

    def asked(self, sql: str, config: bigquery.QueryJobConfig, location: str | None = None) -> Any:
        """A question whose answer is short."""
        seconds = self.answer_seconds
        return self.client.query_and_wait(
            sql,
            job_config=self.bounded(config, seconds),
            location=location,
            api_timeout=seconds,
            wait_timeout=seconds,
            retry=ONCE,
            job_retry=ONCE,
        )

    def rows(self, table: str, restriction: str = "") -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Through the Storage Read API; `table` is projects/.../datasets/.../tables/..."""
        session = self.storage.create_read_session(
            parent=f"projects/{self.project}",
            read_session=ReadSession(
                table=table,
                data_format=DataFormat.ARROW,
                read_options=ReadSession.TableReadOptions(row_restriction=restriction),
            ),
            max_stream_count=1,  # read one after the other, so that what is held is of one
            retry=ONCE,
            timeout=self.settings.provider_timeout_seconds,
        )
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        return schema, self._batches(session, schema)

    def close(self) -> None:
        # not by their names: to ask for what was never used would open it only to close it
        opened: dict[str, Any] = self.__dict__
        for name in ("client", "job_client"):
            if name in opened:
                opened[name].close()
        if "storage" in opened:
            opened["storage"].transport.close()

    def _batches(self, session: ReadSession, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for stream in session.streams:
            answer = self.storage.read_rows(stream.name, retry=ONCE, timeout=self.settings.bigquery_job_seconds)
            for message in answer:
                yield pa.ipc.read_record_batch(pa.py_buffer(message.arrow_record_batch.serialized_record_batch), schema)

    def _opened(self, scope: str) -> bigquery.Client:
        return bigquery.Client(
            project=self.project,
            credentials=self._credentials.with_scopes([scope]),
            client_options={"api_endpoint": self.settings.bigquery_url},
        )


def grouped(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """As many as make a row group of a Parquet file, so that of a table of any size no more than one is held."""
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
