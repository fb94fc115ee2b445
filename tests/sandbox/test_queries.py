"""jobs.query through Google's own client: partitions, GoogleSQL over the tables, and what is refused in Google's words."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from src.core.engine.reader.access import ONCE, READ_ONLY, Key
from src.core.engine.reader.tables import PARTITIONS
from src.sandbox.server import Sandbox
from tests.sandbox.conftest import DETAILED, STANDARD, TODAY, HeldClock, sandboxed

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


PLACE = f"sandbox-billing.billing_export.{STANDARD}"
DAY_OF = "_PARTITIONDATE = '2026-11-18'"
LATEST = f"_PARTITIONTIME >= TIMESTAMP '{TODAY - 2 * DAY}'"


def test_a_query_is_answered_in_bigquerys_types_with_its_values_bound(kept, client):
    sql = f"""
        SELECT currency, SUM(CAST(cost AS NUMERIC)) AS billed, COUNT(*) AS n, MAX(export_time) AS latest, MIN(DATE(export_time)) AS first
        FROM `{PLACE}` WHERE _PARTITIONTIME IN UNNEST(@days) AND cost_type = @kind GROUP BY currency
    """
    days = [datetime(2026, 11, number, tzinfo=UTC) for number in (18, 19)]
    parameters = [bigquery.ArrayQueryParameter("days", "TIMESTAMP", days), bigquery.ScalarQueryParameter("kind", "STRING", "regular")]
    [row] = client.query_and_wait(sql, job_config=bigquery.QueryJobConfig(query_parameters=parameters), retry=ONCE, job_retry=ONCE)

    known = kept.gcp.answers(STANDARD, date(2026, 11, 18), date(2026, 11, 19)).by_cost_type["USD", "regular"]
    assert (row["currency"], row["billed"], row["n"]) == ("USD", known.billed, known.rows)
    assert row["latest"] == datetime(2026, 11, 19, 23, 59, 57, tzinfo=UTC)
    assert row["first"] == date(2026, 11, 18)


def test_tables_are_joined_and_arrays_opened(kept, client):
    sql = f"""
        WITH credited AS (SELECT c.type AS kind, SUM(CAST(c.amount AS NUMERIC)) AS amount
          FROM billing_export.{STANDARD} AS t CROSS JOIN UNNEST(t.credits) AS c WHERE t._PARTITIONDATE = DATE '2026-11-18' GROUP BY 1)
        SELECT (SELECT COUNT(DISTINCT d.resource.name) FROM `{PLACE.replace(STANDARD, DETAILED)}` AS d
          WHERE d._PARTITIONDATE = DATE '2026-11-18') AS resources, kind, amount FROM credited ORDER BY kind
    """
    found = list(ask(client, sql))

    known = kept.gcp.answers(STANDARD, date(2026, 11, 18), date(2026, 11, 18)).by_credit_type
    assert {row["kind"]: row["amount"] for row in found} == {kind: amount for (_, kind), amount in known.items()}
    assert {row["resources"] > 10 for row in found} == {True}


def test_rows_come_nested_as_the_table_has_them_and_without_its_pseudo_columns(kept, client):
    found = ask(client, f"SELECT * FROM `{PLACE}` WHERE {LATEST} ORDER BY export_time, cost LIMIT 3")

    assert list(found.schema) == list(client.get_table(PLACE, retry=ONCE).schema)
    first = next(iter(found))
    assert isinstance(first["price"]["effective_price"], Decimal)
    assert isinstance(first["project"]["labels"], list)
    assert first["usage_start_time"].tzinfo is not None


def test_only_the_days_that_are_asked_for_are_made(tmp_path):
    with sandboxed(tmp_path / "sandbox", HeldClock()) as sandbox, asking(sandbox) as client:
        list(
            ask(
                client, f"SELECT COUNT(*) AS n FROM `{PLACE}` AS t WHERE DATE(t._PARTITIONTIME) BETWEEN @a AND '2026-11-02'", a="2026-11-01"
            )
        )
        dry = ask(client, f"SELECT SUM(1) AS n, ANY_VALUE(invoice.month) AS month FROM `{PLACE}`", dry=True)
        assert [(field.name, field.field_type) for field in dry.schema] == [("n", "INTEGER"), ("month", "STRING")]

        assert len(list((tmp_path / "sandbox").rglob("*.arrow"))) == 2


@pytest.mark.parametrize(
    ("sql", "refusal", "words"),
    [
        ("SELECT 1 FROM `sandbox-second.billing_export.t`", exceptions.Forbidden, "does not have permission to query table"),
        (f"SELECT 1 FROM `{PLACE}_`", exceptions.NotFound, "Not found: Table"),
        ("SELECT 1 FROM costs", exceptions.BadRequest, "must be qualified with a dataset"),
        (f"SELECT costs FROM `{PLACE}` WHERE {LATEST}", exceptions.BadRequest, "costs"),
        (f"DELETE FROM `{PLACE}` WHERE true", exceptions.BadRequest, "only SELECT"),
        ("SELECT FROM WHERE", exceptions.BadRequest, "Syntax error"),
        (
            f"SELECT 1 AS n FROM `{PLACE}` AS a CROSS JOIN `{PLACE}` AS b WHERE a.{DAY_OF} AND b.{DAY_OF}",
            exceptions.BadRequest,
            "too large",
        ),
        (f"SELECT cost FROM `{PLACE}` WHERE {LATEST} AND cost > @least", exceptions.BadRequest, "@least has no value"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_googles_words(client, sql, refusal, words):
    with pytest.raises(refusal, match=words):
        list(ask(client, sql))
