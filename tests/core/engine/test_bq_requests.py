"""What BigQuery is sent, and what becomes of its answers and of those that are lost: seen between Google's client and the emulator."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.core.base.clock import SystemClock
from src.core.base.faults import Misconfigured, Missing, Rejected, Throttled, Timeout, Unavailable
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.schema import Field, Partition, TableSchema
from src.core.base.settings import Settings
from src.core.engine import open_warehouse
from src.core.engine.bigquery import jobs as bq_jobs
from src.core.engine.bigquery.clients import Clients
from src.core.engine.bigquery.jobs import Limits, WarehouseJobs
from src.core.engine.bq_client import BigQueryWarehouse
from src.core.engine.port import RemoteRows, TableChange
from tests.fakes.bigquery_proxy import BigQueryProxy, Rule, Sent, is_job, running_proxy

ACME = Tenant(org_slug("acme_corp"), Environment.STAGING)
ACCOUNT = "cdp-acme-corp@platform.iam.gserviceaccount.com"
SECONDS = 20.0
HASTY = 1.0
DAY = date(2026, 11, 16)
COSTS = TableSchema(
    "costs",
    (
        Field("day", "DATE", "REQUIRED", description="of use"),
        Field("service", "STRING"),
        Field("labels", "STRUCT", "REPEATED", fields=(Field("key", "STRING"), Field("amount", "NUMERIC"))),
    ),
    description="what was spent",
    partition=Partition("day", "month"),
    cluster=("service",),
)


class Place:
    def __init__(self, proxy: BigQueryProxy, settings: Settings, folder: Path) -> None:
        self.proxy, self.settings, self.folder = proxy, settings, folder
        self.warehouse = open_warehouse(settings, SystemClock())
        self.clients = Clients(settings)
        self.warehouse.ensure_dataset(ACME)

    def jobs(self, seconds: float = SECONDS) -> WarehouseJobs:
        link = self.clients.platform()
        return WarehouseJobs(link.client, link.reader, ACME.dataset, Limits("US", 10_485_760, seconds), {"org": "acme_corp"})

    def count(self, table: str) -> int:
        [row] = self.jobs().arrow(self.jobs().run(f"SELECT COUNT(*) AS n FROM `{table}`")).to_pylist()
        return int(row["n"])

    def close(self) -> None:
        self.warehouse.close()
        self.clients.close()


@pytest.fixture(scope="module")
def standing_place(bigquery_emulator, tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("wire")
    with running_proxy(bigquery_emulator.url) as proxy:
        given = {
            **bigquery_emulator.named, "gcp_project_id": bigquery_emulator.emptied("wire"), "platform_bigquery_url": proxy.url,
            "warehouse": "bigquery", "scratch_dir": folder, "bigquery_job_seconds": SECONDS, "bigquery_maximum_bytes_billed": 20_971_520,
            "org_service_account": "cdp-{org}@platform.iam.gserviceaccount.com",
        }  # fmt: skip
        place = Place(proxy, Settings(_env_file=None).model_copy(update=given), folder)
        yield place
        place.close()
    bigquery_emulator.emptied("wire")


@pytest.fixture
def place(standing_place: Place) -> Place:
    standing_place.proxy.sent.clear()
    standing_place.proxy.rules.clear()
    return standing_place


@pytest.fixture
def table() -> str:
    return f"t_{uuid4().hex[:12]}"


def asks(part: str):
    return lambda sent: is_job(sent) and part in sent.sql


def changes(method: str, part: str):
    return lambda sent: sent.method == method and part in sent.path


def test_a_query_says_for_whom_it_is_where_and_how_much_it_may_cost(place):
    sql = "SELECT @day AS day, -- as it was written\n  @none AS nothing"
    assert place.warehouse.query(ACME, sql, {"day": DAY, "none": None}).to_pylist() == [{"day": DAY, "nothing": None}]
    [sent] = place.proxy.jobs
    query = sent.configuration["query"]
    assert query["query"] == sql.replace("@none", "NULL")
    assert query["queryParameters"] == [{"name": "day", "parameterType": {"type": "DATE"}, "parameterValue": {"value": "2026-11-16"}}]
    assert query["defaultDataset"] == {"projectId": place.settings.gcp_project_id, "datasetId": "acme_corp_stage"}
    assert query["maximumBytesBilled"] == "20971520"
    assert query["useLegacySql"] is False
    assert sent.configuration["labels"] == {"org": "acme_corp", "environment": "stage"}
    assert sent.configuration["jobTimeoutMs"] == "20000"
    assert sent.body["jobReference"]["location"] == "US"
    assert sent.body["jobReference"]["jobId"].startswith("cdp-")


def test_a_runs_jobs_are_labelled_with_it(place):
    place.jobs().labelled(run="Run 7", pipeline="acme-openai-cost").run("SELECT 1 AS a")
    assert place.proxy.jobs[0].configuration["labels"] == {"org": "acme_corp", "run": "run-7", "pipeline": "acme-openai-cost"}


def test_a_table_is_made_as_its_schema_says(place, table):
    place.warehouse.ensure_table(ACME, replace(COSTS, name=table))
    [made] = [sent.body for sent in place.proxy.sent if sent.method == "POST"]
    assert made["timePartitioning"] == {"type": "MONTH", "field": "day"}
    assert made["clustering"] == {"fields": ["service"]}
    assert made["description"] == "what was spent"
    day, service, labels = made["schema"]["fields"]
    assert (day["type"], day["mode"], day["description"]) == ("DATE", "REQUIRED", "of use")
    assert (service["type"], service["mode"]) == ("STRING", "NULLABLE")
    assert (labels["type"], labels["mode"]) == ("RECORD", "REPEATED")
    assert [(field["name"], field["type"]) for field in labels["fields"]] == [("key", "STRING"), ("amount", "NUMERIC")]
    place.proxy.sent.clear()
    assert place.warehouse.ensure_table(ACME, replace(COSTS, name=table)) == TableChange(created=False)
    assert {sent.method for sent in place.proxy.sent} == {"GET"}


def test_a_table_gains_columns_and_fields_and_loses_nothing(place, table):
    place.warehouse.ensure_table(ACME, replace(COSTS, name=table))
    more = Field("labels", "STRUCT", "REPEATED", fields=(Field("unit", "STRING", "REQUIRED"),))
    place.proxy.sent.clear()
    change = place.warehouse.ensure_table(ACME, TableSchema(table, (Field("region", "STRING", "REQUIRED"), more, Field("day", "DATE"))))
    assert change.columns_added == ("region", "labels.unit")
    [patch] = [sent.body for sent in place.proxy.sent if sent.method == "PATCH"]
    assert set(patch) == {"schema"}
    named = {field["name"]: field for field in patch["schema"]["fields"]}
    assert list(named) == ["day", "service", "labels", "region"]
    assert [named[name]["mode"] for name in named] == ["NULLABLE", "NULLABLE", "REPEATED", "NULLABLE"]
    assert [(field["name"], field["mode"]) for field in named["labels"]["fields"]] == [
        ("key", "NULLABLE"), ("amount", "NULLABLE"), ("unit", "NULLABLE"),
    ]  # fmt: skip


def test_a_change_that_came_between_is_looked_at_again(place, table):
    place.warehouse.ensure_table(ACME, replace(COSTS, name=table))
    place.proxy.refuse(changes("PATCH", table), "conditionNotMet", "Precondition check failed.")
    wider = replace(COSTS, name=table, fields=(*COSTS.fields, Field("region", "STRING")))
    assert place.warehouse.ensure_table(ACME, wider).columns_added == ("region",)
    assert place.warehouse.columns(ACME, table)[-1] == "region"
    place.proxy.refuse(changes("PATCH", table), "conditionNotMet", "Precondition check failed.", times=9)
    with pytest.raises(Throttled, match="changed by others"):
        place.warehouse.ensure_table(ACME, replace(wider, fields=(*wider.fields, Field("zone", "STRING"))))


def test_a_view_names_its_tables_so_that_it_reads_from_anywhere(place, table):
    place.warehouse.ensure_table(ACME, replace(COSTS, name=table))
    view = f"v_{table}"
    sql = f"WITH days AS (SELECT day FROM {table}) SELECT days.day, `{table}`.service -- all\nFROM days JOIN `{table}` ON TRUE"
    place.warehouse.ensure_view(ACME, view, sql)
    prefix = f"`{place.settings.gcp_project_id}`.`acme_corp_stage`."
    written = sql.replace("FROM t", f"FROM {prefix}t").replace("JOIN `", f"JOIN {prefix}`")
    [made] = [sent.body for sent in place.proxy.sent if sent.method == "POST" and sent.body.get("view")]
    assert made["view"]["query"] == written
    assert place.warehouse.query(ACME, f"SELECT * FROM {view}").schema.names == ["day", "service"]
    place.proxy.sent.clear()
    place.warehouse.ensure_view(ACME, view, sql)
    assert {sent.method for sent in place.proxy.sent} == {"GET"}
    place.warehouse.ensure_view(ACME, view, f"SELECT day FROM {table}")
    assert place.proxy.jobs[-1].sql == f"CREATE OR REPLACE VIEW `{view}` AS\nSELECT day FROM {prefix}{table}"


def test_the_dataset_is_made_for_its_organisation_and_its_account(place):
    place.warehouse.drop_dataset(ACME)
    place.proxy.sent.clear()
    assert place.warehouse.ensure_dataset(ACME) is True
    made = next(sent.body for sent in place.proxy.sent if sent.method == "POST" and sent.path.partition("?")[0].endswith("/datasets"))
    assert (made["location"], made["labels"]) == ("US", {"org": "acme_corp", "environment": "stage"})
    assert "acme_corp" in made["description"]
    admitted = {"role": "WRITER", "userByEmail": ACCOUNT}
    assert admitted in place.jobs().client.get_dataset(ACME.dataset).to_api_repr()["access"]
    place.proxy.sent.clear()
    assert place.warehouse.ensure_dataset(ACME) is False
    assert [sent for sent in place.proxy.sent if sent.method == "PATCH"] == []


def test_a_job_whose_answer_is_lost_runs_once(place, table):
    jobs = place.jobs()
    jobs.run(f"CREATE TABLE {table} (a INT64)")
    insert = f"INSERT INTO {table} (a) VALUES (1), (2)"
    place.proxy.drop(asks("INSERT INTO"))
    done = jobs.run(insert)
    sent = [sent.body["jobReference"]["jobId"] for sent in place.proxy.jobs if sent.sql == insert]
    assert (len(sent), len(set(sent)), done.affected, place.count(table)) == (2, 1, 2, 2)


def test_a_failure_whose_answer_is_lost_is_told_and_not_tried_again(place, table):
    place.proxy.drop(asks("ERROR"))
    with pytest.raises(Rejected, match="once only"):
        place.jobs().run("SELECT ERROR('once only')", name=table)
    assert {sent.body["jobReference"]["jobId"] for sent in place.proxy.jobs} == {f"cdp-{ACME.dataset}-{table}-1"}


def test_a_load_whose_answer_is_lost_loads_once(place, table, tmp_path):
    file = tmp_path / "rows.parquet"
    rows = pa.table({"day": [DAY], "n": pa.array([Decimal("1.5")], pa.decimal128(38, 9)), "tags": [["a", "b"]], "j": ['{"a":1}']})
    pq.write_table(rows, file)
    shape = (Field("day", "DATE"), Field("n", "NUMERIC"), Field("tags", "STRING", "REPEATED"), Field("j", "JSON"))
    ends = datetime.now(UTC) + timedelta(hours=1)
    place.proxy.drop(lambda sent: "/upload/" in sent.path and "load" in sent.configuration)
    assert place.jobs().load([file], table, TableSchema(table, shape), expires=ends) == 1
    loads = [sent for sent in place.proxy.sent if "load" in sent.configuration]
    assert len(loads) == 2
    load = loads[0].configuration["load"]
    assert (load["sourceFormat"], load["writeDisposition"], load["createDisposition"]) == ("PARQUET", "WRITE_APPEND", "CREATE_NEVER")
    assert load["parquetOptions"]["enableListInference"] is True
    assert [field["type"] for field in load["schema"]["fields"]] == ["DATE", "NUMERIC", "STRING", "STRING"]  # JSON comes as text
    assert loads[0].configuration["labels"] == {"org": "acme_corp"}
    made = place.jobs().client.get_table(f"{ACME.dataset}.{table}")
    assert (made.num_rows, made.expires) == (1, ends.replace(microsecond=ends.microsecond // 1000 * 1000))


def test_a_named_job_runs_once_for_all_who_name_it_and_a_failed_one_uses_its_id_up(place, table):
    insert = f"INSERT INTO {table} (a) VALUES (1)"
    with pytest.raises(Missing):
        place.jobs().run(insert, name=f"once.{table}")
    place.jobs().run(f"CREATE TABLE {table} (a INT64)")
    place.proxy.sent.clear()
    assert [place.jobs().run(insert, name=f"once.{table}").affected for _ in range(3)] == [1, 1, 1]
    ids = [sent.body["jobReference"]["jobId"] for sent in place.proxy.jobs]
    assert [name.rpartition("-")[2] for name in ids] == ["1", "2", "1", "2", "1", "2"]
    assert place.count(table) == 1


def test_two_names_never_share_an_id(place):
    for name in ("a.b", "a-b", "a/b"):
        place.jobs().run(f"SELECT '{name}' AS a", name=f"{name}-{uuid4().hex}")
    ids = {sent.body["jobReference"]["jobId"] for sent in place.proxy.jobs}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("reason", "message", "fault", "said"),
    [
        ("accessDenied", "Access Denied: Project p", Misconfigured, r"roles/bigquery\.jobUser"),
        ("bytesBilledLimitExceeded", "Query exceeded limit for bytes billed", Rejected, "BIGQUERY_MAXIMUM_BYTES_BILLED"),
        ("quotaExceeded", "Quota exceeded", Throttled, "quota"),
        ("invalidQuery", "Transaction is aborted due to concurrent update against table", Throttled, "came first"),
        ("backendError", "Error encountered during execution", Unavailable, "run this again"),
    ],
)
def test_a_job_that_fails_is_told_as_a_fault_and_not_run_again(place, reason, message, fault, said):
    place.proxy.fail_job(asks("SELECT 7"), reason, message)
    with pytest.raises(fault, match=said):
        place.jobs().run("SELECT 7 AS a")
    assert len(place.proxy.jobs) == 1


def late(place: Place, name: str, polls: int) -> str:
    """A job that is done at the emulator, and is told to be running until it was asked for so often after it was cancelled."""
    job_id = f"cdp-{ACME.dataset}-{name}-1"
    job = {
        "jobReference": {"projectId": place.settings.gcp_project_id, "jobId": job_id, "location": "US"},
        "configuration": {"query": {"query": "SELECT"}},
        "status": {"state": "RUNNING"},
        "jobComplete": False,
    }

    def is_early(sent: Sent) -> bool:
        paths = [one.path for one in place.proxy.sent if job_id in one.path]
        cancelled = next((at for at, path in enumerate(paths) if "/cancel" in path), len(paths))
        return sent.method == "GET" and job_id in sent.path and len(paths) - cancelled <= polls + 1

    place.proxy.rules += [
        Rule(changes("POST", f"{job_id}/cancel"), "answer", body={"job": job}),
        Rule(is_early, "answer", 99_999, body=job),
    ]
    place.proxy.drop(asks(name))
    return job_id


@pytest.fixture
def impatient(monkeypatch):
    """A job is soon waited for no more; a request that is sent again has its time all the same."""
    monkeypatch.setattr(bq_jobs, "GRACE_SECONDS", HASTY - SECONDS)
    monkeypatch.setattr(bq_jobs, "PAUSE_SECONDS", 0.01)


def test_a_job_that_is_done_after_it_was_asked_to_be_cancelled_is_done(impatient, place, table):
    late(place, table, polls=3)
    done = place.jobs().run(f"SELECT 1 AS {table}", name=table)
    assert place.jobs().arrow(done).to_pylist() == [{table: 1}]


def test_a_job_that_stays_after_it_was_asked_to_be_cancelled_is_not_waited_for_without_end(impatient, place, table, monkeypatch):
    monkeypatch.setattr(bq_jobs, "CANCEL_SECONDS", 0.2)
    late(place, table, polls=99_999)
    with pytest.raises(Timeout, match="asked to be cancelled, but may still be done"):
        place.jobs().run(f"SELECT 1 AS {table}", name=table)


def test_what_bigquery_cannot_take_now_is_sent_again_and_then_told(place):
    place.proxy.refuse(asks("SELECT 8"), "backendError", "Error encountered")
    assert place.jobs().arrow(place.jobs().run("SELECT 8 AS a")).to_pylist() == [{"a": 8}]
    place.proxy.refuse(asks("SELECT 9"), "rateLimitExceeded", "Exceeded rate limits", times=99)
    with pytest.raises(Throttled):
        place.jobs(HASTY).run("SELECT 9 AS a")


def test_nothing_that_is_refused_here_is_sent(place):
    others = ("SELECT * FROM other_dev.costs", "SELECT * FROM EXTERNAL_QUERY('c', 's')")
    for sql in ("DROP TABLE costs", "SELECT 1 AS a; SELECT 2 AS a", *others):
        with pytest.raises(Rejected):
            place.warehouse.query(ACME, sql)
    assert place.proxy.jobs == []


def test_many_rows_come_in_bulk_a_batch_at_a_time(place, table):
    place.jobs().run(f"CREATE TABLE {table} AS SELECT x FROM UNNEST(GENERATE_ARRAY(1, 70000)) AS x")
    place.proxy.sent.clear()
    sizes = [batch.num_rows for batch in place.warehouse.stream(ACME, f"SELECT x FROM {table}")]
    assert sum(sizes) == 70_000
    assert max(sizes) <= 65_536
    assert len([sent for sent in place.proxy.sent if "/queries/" in sent.path]) <= 2  # the rest came over the Storage Read API


def test_where_the_platform_may_read_is_asked_without_reading(place):
    rows = RemoteRows("their-project", "billing", "export", (DAY, DAY + timedelta(1)))
    asked = lambda sent: "_PARTITIONTIME" in sent.sql  # noqa: E731 - a name for what is said twice
    assert place.warehouse.reaches(ACME, rows) is False
    [sent] = [sent for sent in place.proxy.sent if asked(sent)]
    assert sent.sql == (
        "SELECT 1 FROM `their-project.billing.export` WHERE _PARTITIONTIME IN (TIMESTAMP '2026-11-16', TIMESTAMP '2026-11-17')"
    )
    assert sent.configuration["dryRun"] is True
    place.proxy.refuse(asked, "accessDenied", "Access Denied: Table their-project:billing.export")
    assert place.warehouse.reaches(ACME, rows) is False
    place.proxy.rules.append(planned(asked))
    assert place.warehouse.reaches(ACME, rows) is True


def planned(chosen):
    """What BigQuery answers to a dry run of a statement that may be run."""
    from_google = {"status": {"state": "DONE"}, "statistics": {"totalBytesProcessed": "10", "query": {"statementType": "SELECT"}}}
    return replace(BigQueryProxy("http://127.0.0.1:1").refuse(chosen, "invalid", ""), status=200, body=from_google)


def test_a_project_that_may_not_be_used_is_named_by_the_check(place):
    place.warehouse.check()
    place.proxy.refuse(lambda sent: sent.configuration.get("dryRun") is True, "accessDenied", "Access Denied: Project p")
    with pytest.raises(Misconfigured, match=r"roles/bigquery\.jobUser on GCP_PROJECT_ID"):
        place.warehouse.check()


def test_what_does_not_answer_is_named_by_its_setting(place, tmp_path):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        given = {"platform_bigquery_url": f"http://127.0.0.1:{mute.getsockname()[1]}", "bigquery_job_seconds": HASTY}
        warehouse = BigQueryWarehouse(place.settings.model_copy(update=given), SystemClock(), tmp_path)
        with pytest.raises(Unavailable, match="PLATFORM_BIGQUERY_URL"):
            warehouse.query(ACME, "SELECT 1 AS a")
        warehouse.close()


def test_a_folder_that_cannot_be_used_is_named_by_its_setting(place, tmp_path):
    (tmp_path / "file").write_text("in the way")
    warehouse = BigQueryWarehouse(place.settings, SystemClock(), tmp_path / "file")
    with pytest.raises(Misconfigured, match="SCRATCH_DIR"):
        warehouse.io_folder(ACME)
    warehouse.close()


def test_the_warehouses_own_tables_are_nobodys(place):
    assert "x_fences" not in place.warehouse.tables(ACME)
    assert place.warehouse.drop_table(ACME, "x_fences") is False
    with pytest.raises(Missing):
        place.warehouse.measure(ACME, "x_fences")
    with pytest.raises(Rejected, match="itself"):
        place.warehouse.ensure_table(ACME, replace(COSTS, name="x_stage_run_0"))
    with pytest.raises(Rejected, match="itself"):
        place.warehouse.ensure_view(ACME, "x_fences", "SELECT 1 AS a")


def test_each_account_has_a_client_of_its_own(place):
    other = Tenant(org_slug("other_org"), Environment.STAGING)
    clients = Clients(place.settings)
    assert clients.of(ACME) is clients.of(ACME)
    assert len({id(clients.of(ACME)), id(clients.of(other)), id(clients.platform())}) == 3
    clients.close()
    with pytest.raises(Unavailable, match="closed"):
        clients.of(ACME)
