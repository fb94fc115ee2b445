"""An organisation's BigQuery: Google's tokens and rights, requests kept as they were sent, and the emulator behind them for the rows.

The emulator does not know the partitions of a table that is partitioned by the time of loading, so a question about them is kept as it
was asked and passed on as a count over `_PARTITIONTIME`. As BigQuery's, that has rows of no day, too, which the question must leave out.
"""

import base64
import http.client
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.types import CreateReadSessionRequest

from tests.engines.emulator import BigQueryEmulator
from tests.fakes.google import Fail, FakeGoogle, error, serving

PARTITIONS = re.compile(r"`([^`]+)\.INFORMATION_SCHEMA\.PARTITIONS`")
COUNTED = """
SELECT * FROM (
  SELECT FORMAT_DATE('%Y%m%d', DATE(_PARTITIONTIME)) AS partition_id, COUNT(*) AS total_rows, COUNT(*) * 100 AS total_logical_bytes,
    TIMESTAMP_ADD(MAX(export_time), INTERVAL {written} SECOND) AS last_modified_time
  FROM `{table}` WHERE _PARTITIONTIME IS NOT NULL GROUP BY 1
  UNION ALL SELECT special, 7, 700, TIMESTAMP '2026-11-20 00:00:00+00' FROM UNNEST(['__UNSTREAMED__', '__NULL__']) AS special
)
WHERE partition_id BETWEEN @first AND @last ORDER BY partition_id
"""
SERVICE = "google.cloud.bigquery.storage.v1.BigQueryRead"
CALL_SECONDS = 300.0


@dataclass(frozen=True)
class Sent:
    account: str
    method: str
    path: str
    body: dict[str, Any]

    @property
    def sql(self) -> str:
        return str(self.body.get("query", ""))

    @property
    def params(self) -> dict[str, Any]:
        return {one["name"]: one["parameterValue"].get("value") for one in self.body.get("queryParameters", ())}


@dataclass
class BigQuerySource(FakeGoogle):
    emulator: BigQueryEmulator | None = None
    sent: list[Sent] = field(default_factory=list)
    sessions: list[CreateReadSessionRequest] = field(default_factory=list)
    refuse: Callable[[Sent], Fail | None] = lambda _sent: None
    refuse_session: Callable[[], tuple[grpc.StatusCode, str] | None] = lambda: None
    while_read: Callable[[], None] = lambda: None
    """Called when a day was read, and before the client hears of its end."""
    written: int = 0
    """Raised by whatever changes rows and not their number."""
    storage: str = ""
    scopes: list[str] = field(default_factory=list)

    @property
    def audiences(self) -> tuple[str, ...]:
        # Google's library writes its own, whatever address it asks
        return (*super().audiences, "https://oauth2.googleapis.com/token")

    @property
    def settings(self) -> dict[str, str]:
        """By the names of the settings' fields."""
        return {"gcp_token_url": f"{self.address}/token", "bigquery_url": self.address, "bigquery_storage_url": self.storage}

    @property
    def questions(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.sql]

    def answer(self, method: str, path: str, body: str, headers: Any) -> Fail:
        if urlsplit(path).path == "/token":
            claims = parse_qs(body)["assertion"][0].split(".")[1]
            self.scopes.append(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["scope"])
            return super().answer(method, path, body, headers)
        account = str(headers["Authorization"]).removeprefix("Bearer ya29.").replace("-at-", "@")
        sent = Sent(account, method, path, json.loads(body) if body else {})
        self.sent.append(sent)
        if account not in self.keys:
            return error(401, "Request had invalid authentication credentials.", "authError")
        return self.refuse(sent) or self._passed_on(method, path, self._understood(sent))

    def _understood(self, sent: Sent) -> dict[str, Any]:
        place = PARTITIONS.search(sent.sql)
        if place is None:
            return sent.body
        kept = [one for one in sent.body["queryParameters"] if one["name"] != "table"]
        text = COUNTED.format(table=f"{place[1]}.{sent.params['table']}", written=self.written)
        return {**sent.body, "query": text, "queryParameters": kept}

    def _passed_on(self, method: str, path: str, body: dict[str, Any]) -> Fail:
        assert self.emulator is not None
        there = urlsplit(self.emulator.url)
        connection = http.client.HTTPConnection(str(there.hostname), there.port, timeout=CALL_SECONDS)
        try:
            connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read(), {}
        finally:
            connection.close()

    def client(self) -> bigquery.Client:
        """For tests that write what is read; not the one under test."""
        assert self.emulator is not None
        return bigquery.Client("acme-billing", AnonymousCredentials(), client_options={"api_endpoint": self.emulator.url})


@contextmanager
def bigquery_source(emulator: BigQueryEmulator) -> Iterator[BigQuerySource]:
    source = BigQuerySource(emulator=emulator)
    with serving(source), _storage(source, emulator):
        yield source


@contextmanager
def _storage(source: BigQuerySource, emulator: BigQueryEmulator) -> Iterator[None]:
    """Passes the Storage Read API on byte by byte, and keeps what a session was asked for."""
    with grpc.insecure_channel(emulator.storage_url.removeprefix("http://"), options=[("grpc.max_receive_message_length", -1)]) as channel:
        create = channel.unary_unary(f"/{SERVICE}/CreateReadSession")
        read = channel.unary_stream(f"/{SERVICE}/ReadRows")

        def created(request: bytes, context: grpc.ServicerContext) -> bytes:
            source.sessions.append(CreateReadSessionRequest.deserialize(request))
            refused = source.refuse_session()
            if refused:
                context.abort(*refused)
            return bytes(create(request, timeout=CALL_SECONDS))

        def rows(request: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
            yield from read(request, timeout=CALL_SECONDS)
            source.while_read()

        handlers = {
            "CreateReadSession": grpc.unary_unary_rpc_method_handler(created),
            "ReadRows": grpc.unary_stream_rpc_method_handler(rows),
        }
        with ThreadPoolExecutor(4) as pool:
            server = grpc.server(pool)
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
            source.storage = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            server.start()
            try:
                yield
            finally:
                server.stop(None).wait()


def write(client: bigquery.Client, place: str, rows: pa.Table) -> None:
    """As Google does, into the partition of the day of loading, which is the column `load_day` here; the table is made when missing."""
    client.create_dataset(place.rpartition(".")[0], exists_ok=True)
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    draft = f"{place}_draft"
    options = bigquery.format_options.ParquetOptions()
    options.enable_list_inference = True
    config = bigquery.LoadJobConfig(source_format="PARQUET", parquet_options=options, write_disposition="WRITE_TRUNCATE")
    client.load_table_from_file(pa.BufferReader(sink.getvalue()), draft, job_config=config).result(timeout=CALL_SECONDS)
    columns = [column for column in client.get_table(draft).schema if column.name != "load_day"]
    typed = ", ".join(f"`{column.name}` {_type(column)}" for column in columns)
    client.query_and_wait(f"CREATE TABLE IF NOT EXISTS `{place}` ({typed}) PARTITION BY _PARTITIONDATE")
    names = ", ".join(f"`{column.name}`" for column in columns)
    client.query_and_wait(f"INSERT INTO `{place}` ({names}, _PARTITIONTIME) SELECT {names}, TIMESTAMP(load_day) FROM `{draft}`")
    client.delete_table(draft)


def _type(column: bigquery.SchemaField) -> str:
    kind = {"RECORD": "STRUCT", "FLOAT": "FLOAT64", "INTEGER": "INT64", "BOOLEAN": "BOOL"}.get(column.field_type, column.field_type)
    if kind == "STRUCT":
        kind = f"STRUCT<{', '.join(f'`{one.name}` {_type(one)}' for one in column.fields)}>"
    return f"ARRAY<{kind}>" if column.mode == "REPEATED" else kind
