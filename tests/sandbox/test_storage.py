"""The Storage Read API through Google's own client: rows in BigQuery's own types, a batch at a time, to who may read them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery_storage import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
from google.cloud.bigquery_storage_v1.types import DataFormat, ReadSession

from src.core.engine.reader.access import FULL, ONCE, READ_ONLY, Key
from src.core.google.access import grpc_channel
from src.sandbox.gcp.arrow import BATCH_ROWS
from src.sandbox.server import Sandbox
from tests.sandbox.conftest import DETAILED, STANDARD, TODAY, HeldClock, sandboxed

DAY = timedelta(days=1)
PLACE = "projects/sandbox-billing/datasets/billing_export/tables/"


@contextmanager
def reading(sandbox: Sandbox, account: str = "demo", scope: str = FULL) -> Iterator[BigQueryReadClient]:
    key = {**json.loads(sandbox.service_account(account)), "token_uri": sandbox.endpoints["gcp_token_url"]}
    credentials: Any = Key.from_service_account_info(key)
    channel = grpc_channel(sandbox.endpoints["bigquery_storage_url"], credentials.with_scopes([scope]))
    client = BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))
    try:
        yield client
    finally:
        client.transport.close()


@pytest.fixture(scope="module")
def client(kept) -> Iterator[BigQueryReadClient]:
    with reading(kept) as client:
        yield client


def on(day: date) -> str:
    return f"_PARTITIONTIME = TIMESTAMP '{day} 00:00:00+00:00'"


def session(client, restriction="", table=PLACE + STANDARD, project="sandbox-billing", **more: Any):
    options = ReadSession.TableReadOptions(row_restriction=restriction, selected_fields=more.pop("selected_fields", []))
    wanted = ReadSession(table=table, read_options=options, **{"data_format": DataFormat.ARROW, **more})
    return client.create_read_session(parent=f"projects/{project}", read_session=wanted, max_stream_count=1, retry=ONCE, timeout=60)


def messages(client, made, offset=0):
    [stream] = made.streams
    return list(client.read_rows(stream.name, offset, retry=ONCE, timeout=60))


def rows(client, made, offset=0) -> pa.Table:
    schema = pa.ipc.read_schema(pa.py_buffer(made.arrow_schema.serialized_schema))
    sent = (message.arrow_record_batch.serialized_record_batch for message in messages(client, made, offset))
    return pa.Table.from_batches([pa.ipc.read_record_batch(pa.py_buffer(one), schema) for one in sent], schema)


def test_columns_are_of_bigquerys_own_arrow_types(client):
    made = session(client, on(TODAY - DAY), PLACE + DETAILED)
    schema = pa.ipc.read_schema(pa.py_buffer(made.arrow_schema.serialized_schema))

    assert schema.field("export_time").type == pa.timestamp("us", tz="UTC")
    assert schema.field("cost").type == pa.float64()
    assert schema.field("price").type.field("effective_price").type == pa.decimal128(38, 9)
    assert schema.field("tags").type.value_type.field("inherited").type == pa.bool_()
    assert schema.field("credits").type == pa.list_(
        pa.struct([*((name, pa.string()) for name in ("id", "full_name", "type", "name")), ("amount", pa.float64())])
    )
    assert rows(client, made).schema == schema


@pytest.mark.parametrize(
    ("restriction", "days"),
    [
        (on(TODAY - 3 * DAY), [3]),
        (f"_PARTITIONTIME >= '{TODAY - 3 * DAY}' AND _PARTITIONTIME < TIMESTAMP('{TODAY - DAY}')", [3, 2]),
        (f"_PARTITIONDATE > DATE '{TODAY - 3 * DAY}' and _PARTITIONDATE <= '{TODAY}'", [2, 1]),
    ],
)
def test_a_restriction_names_the_days(client, restriction, days):
    found = rows(client, session(client, restriction, selected_fields=["export_time", "cost"]))

    assert found.column_names == ["export_time", "cost"]
    assert {moment.date() for moment in found["export_time"].to_pylist()} == {TODAY - DAY * number for number in days}


def test_a_day_that_has_no_rows_has_no_stream(client):
    made = session(client, on(TODAY))

    assert (list(made.streams), made.estimated_row_count) == ([], 0)


def test_rows_come_in_batches_and_from_where_a_reader_left_off(client):
    made = session(client, f"_PARTITIONTIME >= '{TODAY - 10 * DAY}'", PLACE + DETAILED, selected_fields=["cost", "export_time"])
    sent = messages(client, made)

    counts = [message.row_count for message in sent]
    assert max(counts) <= BATCH_ROWS
    assert len(counts) >= 10  # no batch spans two days
    assert sum(counts) == made.estimated_row_count
    assert (sent[0].stats.progress.at_response_start, sent[-1].stats.progress.at_response_end) == (0, 1)
    left_off = counts[0] + 5
    assert rows(client, made, left_off).equals(rows(client, made).slice(left_off))
    with pytest.raises(exceptions.OutOfRange):
        messages(client, made, sum(counts) + 1)


def test_a_session_is_of_the_time_it_was_made(tmp_path):
    clock = HeldClock()
    with sandboxed(tmp_path / "sandbox", clock) as sandbox:
        with reading(sandbox) as client:
            before = session(client, on(TODAY - DAY))
        clock.pass_by(days=1)
        with reading(sandbox) as client:
            after = session(client, on(TODAY - DAY))
            assert rows(client, before).num_rows == before.estimated_row_count < after.estimated_row_count


@pytest.mark.parametrize(
    ("asked", "refusal", "words"),
    [
        ({"project": "sandbox-second"}, exceptions.PermissionDenied, "bigquery.readsessions.create permission in project sandbox-second"),
        (
            {"table": PLACE.replace("billing/", "second/") + STANDARD},
            exceptions.PermissionDenied,
            "does not have permission to query table",
        ),
        ({"table": PLACE + "other"}, exceptions.NotFound, "Not found: Table sandbox-billing:billing_export.other"),
        ({"table": "tables/other"}, exceptions.InvalidArgument, "table is projects/{project}"),
        ({"restriction": "cost > 1"}, exceptions.InvalidArgument, "_PARTITIONTIME or _PARTITIONDATE"),
        ({"selected_fields": ["cost", "costs"]}, exceptions.InvalidArgument, "do not exist in the table schema: costs"),
        ({"data_format": DataFormat.AVRO}, exceptions.InvalidArgument, "ARROW alone"),
    ],
)
def test_what_is_not_served_is_refused_in_googles_words(client, asked, refusal, words):
    with pytest.raises(refusal, match=words):
        session(client, **asked)


def test_who_may_not_read_is_refused(kept, client):
    made = session(client, on(TODAY - DAY))
    with reading(kept, scope=READ_ONLY) as narrow, pytest.raises(exceptions.PermissionDenied, match="insufficient authentication scopes"):
        session(narrow)
    with reading(kept, "narrow") as denied, pytest.raises(exceptions.PermissionDenied, match="User does not have permission"):
        session(denied)
    with reading(kept, "narrow") as other, pytest.raises(exceptions.NotFound):
        messages(other, made)  # a session is of the account that made it
    with grpc_channel(kept.endpoints["bigquery_storage_url"], AnonymousCredentials()) as channel, pytest.raises(exceptions.Unauthenticated):
        session(BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel)))


def test_trouble_is_told_as_grpc_tells_it(kept, client):
    kept.gcp.trouble("rateLimitExceeded")
    kept.gcp.trouble("unavailable")

    with pytest.raises(exceptions.ResourceExhausted):
        session(client)
    with pytest.raises(exceptions.ServiceUnavailable):
        session(client)
    assert session(client, on(TODAY - DAY)).streams


def test_it_stops_while_somebody_reads(tmp_path):
    with sandboxed(tmp_path / "sandbox", HeldClock()) as sandbox, reading(sandbox) as client:
        made = session(client, f"_PARTITIONTIME >= '{TODAY - 40 * DAY}'", PLACE + DETAILED)
        answer = iter(client.read_rows(made.streams[0].name, retry=ONCE, timeout=60))
        next(answer)
        sandbox.stop()
        with pytest.raises((exceptions.Cancelled, exceptions.ServiceUnavailable)):
            list(answer)
