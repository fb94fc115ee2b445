"""jobs.query through Google's own client: what it answers about partitions, and what it refuses in Google's words."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from src.core.engine.bq_access import ONCE, READ_ONLY, Key
from src.core.engine.bq_reader import PARTITIONS
from src.sandbox.server import Sandbox
from tests.sandbox.conftest import STANDARD, TODAY

DAY = timedelta(days=1)


@contextmanager
def asking(sandbox: Sandbox, account: str = "demo") -> Iterator[bigquery.Client]:
    key = {**json.loads(sandbox.service_account(account)), "token_uri": sandbox.endpoints["gcp_token_url"]}
    credentials: Any = Key.from_service_account_info(key)
    options = {"api_endpoint": sandbox.endpoints["bigquery_url"]}
    with bigquery.Client(key["project_id"], credentials.with_scopes([READ_ONLY]), client_options=options) as client:
        yield client


@pytest.fixture(scope="module")
def client(kept) -> Iterator[bigquery.Client]:
    with asking(kept) as client:
        yield client


def ask(client, sql, *, location="US", project=None, dry=False, **values: str):
    parameters = [bigquery.ScalarQueryParameter(name, "STRING", value) for name, value in values.items()]
    config = bigquery.QueryJobConfig(query_parameters=parameters, dry_run=dry)
    return client.query_and_wait(sql, job_config=config, location=location, project=project, retry=ONCE, job_retry=ONCE)


def partitions(client, first: date, last: date, *, dataset="billing_export", project="sandbox-billing", **more: Any):
    sql = PARTITIONS.format(project=project, dataset=dataset)
    return ask(client, sql, table=STANDARD, first=f"{first:%Y%m%d}", last=f"{last:%Y%m%d}", **more)


def test_partitions_are_told_in_the_order_and_the_types_of_their_days(client):
    found = partitions(client, TODAY - 3 * DAY, TODAY)

    assert [(field.name, field.field_type) for field in found.schema] == [
        ("partition_id", "STRING"),
        ("total_rows", "INTEGER"),
        ("total_logical_bytes", "INTEGER"),
        ("last_modified_time", "TIMESTAMP"),
    ]
    rows = list(found)
    assert [row["partition_id"] for row in rows] == ["20261118", "20261119", "20261120"]
    assert all(row["total_rows"] > 100 and row["total_logical_bytes"] > 1000 for row in rows)
    # of the last day the last part is not there yet
    assert [row["last_modified_time"] for row in rows] == [datetime(2026, 11, number, tzinfo=UTC) for number in (20, 21, 21)]


def test_columns_come_as_they_are_asked_for_and_a_dry_run_brings_no_rows(client):
    sql = PARTITIONS.format(project="sandbox-billing", dataset="billing_export")
    sql = sql.replace("partition_id, total_rows, total_logical_bytes, last_modified_time", "total_rows, table_name")
    asked = {"table": STANDARD, "first": "20261101", "last": "20261101"}

    assert [dict(row.items())["table_name"] for row in ask(client, sql, **asked)] == [STANDARD]
    assert list(ask(client, sql, dry=True, **asked)) == []


@pytest.mark.parametrize(
    ("asked", "refusal", "words"),
    [
        ({"project": "sandbox-second"}, exceptions.Forbidden, "Access Denied: Dataset sandbox-second:billing_export"),
        ({"dataset": "other"}, exceptions.NotFound, "Not found: Dataset sandbox-billing:other"),
        ({"location": "EU"}, exceptions.NotFound, "in location EU"),
    ],
)
def test_what_may_not_be_asked_is_refused_in_googles_words(client, asked, refusal, words):
    with pytest.raises(refusal, match=words):
        partitions(client, TODAY, TODAY, **asked)


def test_work_is_done_in_the_accounts_own_project_alone(kept, client):
    with pytest.raises(exceptions.Forbidden, match=r"bigquery\.jobs\.create permission in project sandbox-second"):
        ask(client, "SELECT 1", project="sandbox-second")
    with asking(kept, "narrow") as narrow, pytest.raises(exceptions.Forbidden, match="Access Denied"):
        partitions(narrow, TODAY, TODAY)


@pytest.mark.parametrize(
    "values", [{"table": STANDARD, "first": "20261101"}, {"table": STANDARD, "first": "2026-11-01", "last": "20261101"}]
)
def test_a_question_without_its_values_is_refused(client, values):
    with pytest.raises(exceptions.BadRequest):
        ask(client, PARTITIONS.format(project="sandbox-billing", dataset="billing_export"), **values)
