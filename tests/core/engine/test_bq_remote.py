"""Columns of somebody else's table, whatever they are called and whichever of BigQuery's types they have."""

import contextlib
import json
from collections.abc import Iterator
from datetime import date

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField

from src.core.base.clock import SystemClock
from src.core.base.faults import Rejected
from src.core.base.schema import Field, FieldType, TableSchema
from src.core.engine import open_warehouse
from src.core.engine.bigquery.remote_rows import reshaped
from src.core.engine.port import LOAD_DAY, Fence, RemoteRows, Warehouse
from tests.contract.warehouse.conftest import PLACE, settings_for, tenant_named

ACME = tenant_named("acme_corp")
DAY = date(2026, 11, 1)
SPAN = SchemaField("span", "RANGE<DATE>")


@pytest.fixture
def client(bigquery_emulator) -> Iterator[bigquery.Client]:
    project = bigquery_emulator.emptied("trial")
    opened = bigquery.Client(project, AnonymousCredentials(), client_options={"api_endpoint": bigquery_emulator.url})
    with contextlib.closing(opened):
        opened.create_dataset("exports")
        yield opened


@pytest.fixture
def warehouse(bigquery_emulator, client, tmp_path) -> Iterator[Warehouse]:
    (tmp_path / PLACE).write_text(json.dumps({**bigquery_emulator.named, "gcp_project_id": client.project}))
    with contextlib.closing(open_warehouse(settings_for("bigquery", tmp_path), SystemClock())) as opened:
        opened.ensure_dataset(ACME)
        yield opened


def rows(client: bigquery.Client, columns: str, values: str) -> RemoteRows:
    client.query_and_wait(f"CREATE TABLE exports.other ({columns}) PARTITION BY _PARTITIONDATE")
    client.query_and_wait(f"INSERT INTO exports.other (_PARTITIONTIME, id, odd) SELECT TIMESTAMP '{DAY}', 1, {values}")
    return RemoteRows(client.project, "exports", "other", (DAY,))


@pytest.mark.parametrize(
    "shape", [None, TableSchema("shape", (Field("odd", "STRUCT", fields=(Field("end", "DATE"), Field("to", "DATE"))),))]
)
def test_fields_may_be_called_what_googlesql_reserves(warehouse, client, shape):
    remote = rows(
        client, "id INT64, odd STRUCT<`from` DATE, `end` DATE>", "STRUCT(DATE '2026-01-02' AS `from`, DATE '2026-03-04' AS `end`)"
    )
    with warehouse.publication(ACME, "run", Fence("s", 1)) as publication:
        publication.stage("incoming", remote, shape)
        [found] = publication.query("SELECT odd FROM incoming").to_pylist()
    ends = date(2026, 3, 4)
    assert found["odd"] == ({"end": ends, "to": None} if shape else {"from": date(2026, 1, 2), "end": ends})


def test_a_type_that_is_not_served_becomes_text(warehouse, client):
    remote = rows(client, "id INT64, odd STRUCT<place GEOGRAPHY, took ARRAY<INTERVAL>>", "STRUCT(ST_GEOGPOINT(1, 2), [INTERVAL 1 DAY])")
    assert warehouse.reaches(ACME, remote)
    with warehouse.publication(ACME, "run", Fence("s", 1)) as publication:
        publication.stage("incoming", remote, None)
        [found] = publication.query("SELECT * FROM incoming").to_pylist()
    # without the space is how GoogleSQL's ST_ASTEXT writes it, with one the emulator's own cast
    assert found == {"id": 1, "odd": {"place": "POINT(1 2)", "took": ["1 day"]}, LOAD_DAY: DAY}


@pytest.mark.parametrize(
    ("held", "wanted", "text"),
    [
        (SchemaField("a", "STRING"), "STRING", "x"),
        (SchemaField("a", "INTEGER", "REQUIRED"), "INT64", "x"),
        (SchemaField("a", "GEOGRAPHY"), "STRING", "CAST(ST_ASTEXT(x) AS STRING)"),
        (SchemaField("a", "GEOGRAPHY"), "JSON", "TO_JSON(x)"),
        (SchemaField("a", "INTERVAL"), "STRING", "CAST(x AS STRING)"),
        (SPAN, "STRING", "CAST(x AS STRING)"),
        (SchemaField("a", "FLOAT"), "NUMERIC", "CAST(CAST(x AS STRING) AS NUMERIC)"),
    ],
    ids=lambda one: one.field_type if isinstance(one, SchemaField) else one,
)
def test_each_type_has_its_way_into_the_wanted_one(held: SchemaField, wanted: FieldType, text: str):
    assert reshaped("x", held, Field("a", wanted)) == text


def test_what_becomes_nothing_wanted_is_told_with_its_type():
    with pytest.raises(Rejected, match=r"'span' is RANGE<DATE> .* would become STRUCT<`start` DATE>"):
        reshaped("x", SPAN, Field("span", "STRUCT", fields=(Field("start", "DATE"),)))
