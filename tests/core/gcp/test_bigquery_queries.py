"""Queries that the organisation's own BigQuery runs: what is asked, what comes, and what is said when it refuses."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest
import structlog

from src.core.base.faults import Misconfigured, Missing, Rejected, Unavailable
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.engine import open_queries
from src.core.engine.reader import queries as bq_queries
from src.core.engine.reader.port import RemoteQuery, Selection
from src.core.processors.gcp.bq_etl import BigQueryETLEngine
from src.core.step.context import StepContext
from tests.fakes.bigquery_source import bigquery_source
from tests.fakes.billing import ROOT, billing
from tests.fakes.google import error, service_account

LABELS = {"service": "convergence", "org": "acme_corp"}
JOINED = RemoteQuery(
    """
    SELECT day, team, SUM(cost) AS cost, COUNT(*) AS items
    FROM `acme-billing.spent.costs` JOIN `acme-billing.people.teams` USING (project)
    WHERE day >= @since GROUP BY day, team ORDER BY day, team
    """,
    {"since": date(2026, 11, 2)},
)
EVERYTHING = Selection(("day", "team", "cost", "items"))


@pytest.fixture(scope="module")
def written(bigquery_emulator):
    with bigquery_source(bigquery_emulator) as source, source.client() as client:
        for dataset in ("spent", "people"):
            client.create_dataset(dataset)
        client.query_and_wait("CREATE TABLE spent.costs (day DATE, project STRING, cost NUMERIC)")
        client.query_and_wait("CREATE TABLE people.teams (project STRING, team STRING)")
        client.query_and_wait("""
            INSERT INTO spent.costs VALUES (DATE '2026-11-01', 'a', 1), (DATE '2026-11-02', 'a', 2.5), (DATE '2026-11-02', 'b', 4),
            (DATE '2026-11-03', 'a', 0.000000001)
        """)
        client.query_and_wait("INSERT INTO people.teams VALUES ('a', 'red'), ('b', 'red')")
    yield bigquery_emulator
    bigquery_emulator.emptied("acme-billing")


@pytest.fixture
def source(written):
    with bigquery_source(written) as google:
        google.knows(service_account())
        yield google


@pytest.fixture
def queries(source):
    given = {**source.settings, "provider_timeout_seconds": 60.0, "bigquery_job_seconds": 20.0}
    opened = open_queries(Settings(_env_file=None).model_copy(update=given), Secret(json.dumps(service_account())), LABELS)
    yield opened
    opened.close()


def untold(_count):
    """Progress is not looked at."""


def rows(answer) -> list[dict[str, Any]]:
    return [row for path in answer.paths for row in pq.read_table(path).to_pylist()]


RED = [
    {"day": date(2026, 11, 2), "team": "red", "cost": Decimal("6.5"), "items": 2},
    {"day": date(2026, 11, 3), "team": "red", "cost": Decimal("0.000000001"), "items": 1},
]


def test_a_join_of_two_datasets_comes_typed(queries, source, tmp_path):
    told: list[int] = []
    answer = queries.read(JOINED, EVERYTHING, tmp_path, 1000, told.append)

    assert rows(answer) == RED
    assert (answer.rows, sum(told)) == (2, 2)
    [asked] = source.questions
    assert asked.path == "/bigquery/v2/projects/acme-billing/queries?prettyPrint=false"
    assert asked.body["labels"] == LABELS
    assert int(asked.body["maximumBytesBilled"]) == Settings(_env_file=None).bigquery_maximum_bytes_billed
    assert asked.body["queryParameters"][0]["parameterType"] == {"type": "DATE"}
    assert "location" not in asked.body  # BigQuery knows it from the tables


def test_columns_are_told_without_reading(queries, source):
    found = queries.columns(JOINED)

    assert [(one.name, one.type) for one in found] == [("day", "DATE"), ("team", "STRING"), ("cost", "NUMERIC"), ("items", "INTEGER")]
    assert [sent.body.get("dryRun") for sent in source.questions] == [True]


def test_what_is_wanted_is_selected_at_the_source(queries, source, tmp_path):
    wanted = Selection(("team",), "record", {"source_table": "daily", "ingest_date": date(2026, 11, 9)})
    one = replace(JOINED, sql=JOINED.sql.replace("ORDER BY day, team", "ORDER BY day LIMIT 1;"))
    [row] = rows(queries.read(one, wanted, tmp_path, 1000, untold))

    assert (row["team"], row["source_table"], row["ingest_date"]) == ("red", "daily", date(2026, 11, 9))
    assert {"day": "2026-11-02", "team": "red"}.items() <= json.loads(row["record"]).items()


def test_many_rows_come_through_the_storage_api_in_files_of_so_many(queries, source, tmp_path, monkeypatch):
    monkeypatch.setattr(bq_queries, "BULK_ROWS", 1)
    monkeypatch.setattr(bq_queries, "BATCH_ROWS", 1)
    monkeypatch.setattr("src.core.engine.reader.access.GROUP_ROWS", 1)
    answer = queries.read(JOINED, EVERYTHING, tmp_path, 1, untold)

    assert len(answer.paths) == 2
    assert sorted(rows(answer), key=lambda row: row["day"]) == RED
    assert len(source.sessions) == 1


def test_an_empty_result_has_no_file(queries, tmp_path):
    answer = queries.read(replace(JOINED, params={"since": date(2027, 1, 1)}), EVERYTHING, tmp_path, 1000, untold)

    assert (answer.rows, answer.paths) == (0, ())


def test_a_question_is_asked_under_the_scope_that_cannot_write(queries, source, tmp_path):
    queries.read(JOINED, EVERYTHING, tmp_path, 1000, untold)

    assert source.scopes[0] == "https://www.googleapis.com/auth/bigquery.readonly"
    assert {sent.method for sent in source.sent if "/queries?" not in sent.path} == {"GET"}  # no job is inserted
    assert {sent.account for sent in source.sent} == {service_account()["client_email"]}


def test_a_query_that_takes_longer_than_one_answer_is_waited_for(queries, source, tmp_path):
    passed_on = source.answer

    def begun(method, path, body, headers):
        answer = passed_on(method, path, body, headers)
        if method == "POST" and "/queries" in path:
            job = json.loads(answer[1])["jobReference"]
            return 200, {"kind": "bigquery#queryResponse", "jobComplete": False, "jobReference": job}, {}
        return answer

    source.answer = begun
    assert rows(queries.read(JOINED, EVERYTHING, tmp_path, 1000, untold)) == RED


def test_a_result_that_did_not_come_whole_is_no_result(queries, source, tmp_path):
    passed_on = source.answer

    def more(method, path, body, headers):
        status, said, others = passed_on(method, path, body, headers)
        told = json.loads(said) if isinstance(said, bytes) else {}
        return (status, {**told, "totalRows": "3"}, others) if "totalRows" in told else (status, said, others)

    source.answer = more
    with pytest.raises(Unavailable, match="gave 3 rows, and 2 came"):
        queries.read(JOINED, EVERYTHING, tmp_path, 1000, untold)


async def copied(here, run_id: str, first: int, last: int) -> dict[str, Any]:
    opened = {"credential": Secret(json.dumps(service_account())), "credential_id": "id", "credential_name": "default"}
    context = StepContext(
        run_id=run_id,
        step_id="load_copy",
        actor=ROOT,
        services=here.parts,
        log=structlog.get_logger(),
        tenant=here.tenant,
        variables={"start_date": date(2026, 11, first), "end_date": date(2026, 11, last)},
        results={"decrypt_it": {**opened, "fingerprint": "print", "connection": {}}},
        document_id="gcp/copies/teams",
    )
    config = {
        "source_query": """
            SELECT day AS ingest_date, team, SUM(cost) AS cost
            FROM `acme-billing.spent.costs` JOIN `acme-billing.people.teams` USING (project)
            WHERE day BETWEEN {start_date} AND {end_date} GROUP BY 1, 2
        """,
        "destination_table": "team_costs",
        "write_mode": "overwrite",
        "credential_from": "decrypt_it",
    }
    return await BigQueryETLEngine().execute(config, context)


@pytest.mark.parametrize("engine", ["duckdb", "bigquery"])
async def test_what_a_query_gives_is_the_same_in_either_warehouse(source, tmp_path, engine):
    settings = {"sandbox": False, "warehouse": engine, "bigquery_job_seconds": 60.0, **source.emulator.named, **source.settings}
    with billing(tmp_path, date(2026, 11, 20), **settings) as here:
        here.parts.warehouse.ensure_dataset(here.tenant)
        await copied(here, "first", 1, 3)
        done = await copied(here, "again", 2, 3)
        kept = here.ask("SELECT ingest_date, source_table, record FROM team_costs ORDER BY ingest_date")
        here.parts.warehouse.drop_dataset(here.tenant)

    assert done["rows_processed"] == 2
    assert [(one["ingest_date"].day, one["source_table"]) for one in kept] == [(day, "gcp/copies/teams/load_copy") for day in (1, 2, 3)]
    assert {(json.loads(one["record"])["team"], float(json.loads(one["record"])["cost"])) for one in kept} == {
        ("red", 1),
        ("red", 6.5),
        ("red", 1e-9),
    }


DENIED = "Access Denied: Table acme-billing:people.teams: User does not have permission to query table"


@pytest.mark.parametrize(
    "told",
    [
        (
            error(403, DENIED, "accessDenied"),
            Rejected,
            r"roles/bigquery\.dataViewer on every dataset that source_query names.*people\.teams",
        ),
        (error(404, "Not found: Table acme-billing:people.team", "notFound"), Missing, "source_query names what is not there"),
        (error(400, "Unrecognized name: costs at [1:8]", "invalidQuery"), Misconfigured, "refuses source_query: Unrecognized name"),
        (error(400, "Query exceeded limit for bytes billed", "bytesBilledLimitExceeded"), Rejected, "MAXIMUM_BYTES_BILLED"),
    ],
)
def test_a_refusal_names_its_mend(source, queries, told):
    answer, fault, says = told
    source.refuse = lambda sent: answer if sent.sql else None
    with pytest.raises(fault, match=says):
        queries.columns(JOINED)
