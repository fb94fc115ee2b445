"""What only BigQuery's publications do: staging tables, one transaction that is sent once, and conflicts told at its end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from src.core.base.clock import SystemClock
from src.core.base.faults import Conflict, Rejected, Superseded, Throttled
from src.core.base.schema import Field, TableSchema
from src.core.engine import open_warehouse
from src.core.engine.arrow import arrow_field
from src.core.engine.bigquery import commit as bq_commit
from src.core.engine.bigquery.staging import shape_batch
from src.core.engine.port import LOAD_DAY, Fence, RemoteRows, Warehouse
from tests.contract.warehouse.conftest import PLACE, settings_for, tenant_named
from tests.contract.warehouse.tables import COSTS, MONDAY, TUESDAY, days, publish, row, stored
from tests.fakes.bigquery_proxy import BigQueryProxy, Sent, running_proxy

ABORTED = "Transaction is aborted due to concurrent update against table local:acme_corp_dev.x_fences. Transaction ID: 1"
ACME = tenant_named("acme_corp")


@dataclass
class Place:
    warehouse: Warehouse
    proxy: BigQueryProxy
    client: bigquery.Client
    folder: Path

    def staging(self) -> list[str]:
        return [table.table_id for table in self.client.list_tables(ACME.dataset) if table.table_id.startswith("x_stage_")]


@pytest.fixture
def place(bigquery_emulator, tmp_path) -> Iterator[Place]:
    project = bigquery_emulator.emptied("trial")
    with running_proxy(bigquery_emulator.url) as proxy, contextlib.ExitStack() as stack:
        given = {**bigquery_emulator.named, "platform_bigquery_url": proxy.url, "gcp_project_id": project}
        (tmp_path / PLACE).write_text(json.dumps(given))
        client = stack.enter_context(
            contextlib.closing(
                bigquery.Client(project, AnonymousCredentials(), client_options={"api_endpoint": bigquery_emulator.url}),
            )
        )
        warehouse = stack.enter_context(contextlib.closing(open_warehouse(settings_for("bigquery", tmp_path), SystemClock())))
        warehouse.ensure_dataset(ACME)
        warehouse.ensure_table(ACME, COSTS)
        yield Place(warehouse, proxy, client, tmp_path)


def test_each_run_publishes_through_a_client_of_its_own(place):
    warehouse = place.warehouse
    with warehouse.publication(ACME, "run_1", Fence("one", 1)) as one, warehouse.publication(ACME, "run_2", Fence("two", 1)) as two:
        one.append("costs", [row(MONDAY)])
        two.append("costs", [row(TUESDAY)])
        clients = [one._jobs.client, two._jobs.client, warehouse._clients.of(ACME).client]

    assert len({id(client) for client in clients}) == 3
    assert len({id(client._http) for client in clients}) == 3
    assert len(stored(warehouse, ACME)) == 2


def test_files_that_a_killed_process_left_go_when_as_old_as_its_tables(place):
    io = place.warehouse.io_folder(ACME)
    old, young, others = (io / name for name in ("x_staging_old", "x_staging_young", "old.csv"))
    for folder in (old, young):
        folder.mkdir()
        (folder / "0.parquet").touch()
    others.touch()
    for path in (old, others):
        os.utime(path, (0, 0))
    with contextlib.closing(open_warehouse(settings_for("bigquery", place.folder), SystemClock())):
        assert (old.exists(), young.exists(), others.exists()) == (False, True, True)


def is_commit(sent: Sent) -> bool:
    return sent.sql.startswith("BEGIN TRANSACTION")


def is_count(sent: Sent) -> bool:
    return sent.sql.startswith("SELECT COUNT(*)")


def test_what_is_prepared_is_hidden_ends_by_itself_and_is_cleared_away(place):
    with place.warehouse.publication(ACME, "run/1", Fence("costs", 1)) as publication:
        publication.append("costs", [row(MONDAY)])
        publication.insert("costs", "SELECT day, cost FROM costs")
        prepared = place.staging()
        ends = [place.client.get_table(f"{ACME.dataset}.{name}").expires for name in prepared]
        assert place.warehouse.tables(ACME) == ("costs",)
    assert len(prepared) == 2
    assert all(name.startswith("x_stage_run_1_") for name in prepared)
    assert all(end and timedelta(hours=23) < end - datetime.now(UTC) < timedelta(hours=25) for end in ends)
    assert place.staging() == []
    assert len(stored(place.warehouse, ACME)) == 2


def test_a_publication_that_fails_leaves_no_staging_table(place):
    with pytest.raises(ZeroDivisionError), place.warehouse.publication(ACME, "run", Fence("costs", 1)) as publication:
        assert publication.append("costs", [row(MONDAY)]) / 0
    assert place.staging() == []
    assert stored(place.warehouse, ACME) == []


def test_the_transaction_is_one_labelled_script_under_an_id_of_its_own(place):
    publish(place.warehouse, ACME, [row(MONDAY)], 1)
    publish(place.warehouse, ACME, [row(MONDAY, "2")], 2, days(MONDAY, MONDAY))
    first, second = [sent for sent in place.proxy.jobs if is_commit(sent)]
    assert first.configuration["labels"] == {"org": "acme_corp", "environment": "dev", "run": "run_1", "pipeline": "costs"}
    assert first.body["jobReference"]["jobId"].startswith("cdp-acme_corp_dev-publish-run_1-1-")
    words = [line.split(" ")[0] for line in second.sql.split(";\n")]
    assert words == ["BEGIN", "UPDATE", "IF", "DELETE", "INSERT", "COMMIT"]
    assert "DELETE" not in first.sql


def test_a_commit_whose_answer_is_lost_is_not_sent_twice(place):
    place.proxy.drop(is_commit)
    assert publish(place.warehouse, ACME, [row(MONDAY)], 1) == 1
    assert stored(place.warehouse, ACME) == [(MONDAY, "compute", Decimal(1))]
    ids = {sent.body["jobReference"]["jobId"] for sent in place.proxy.jobs if is_commit(sent)}
    assert len(ids) == 1


UNTRUE = {
    "a right that is lacking": ("accessDenied", "Access Denied: User does not have bigquery.jobs.get permission"),
    "too many requests": ("resourceInUse", "what is to be changed is in use"),
    "another publication": ("invalidQuery", bq_commit.LOST),
}


@pytest.mark.parametrize(("reason", "message"), UNTRUE.values(), ids=UNTRUE)
def test_a_commit_that_was_made_is_none_that_failed_whatever_its_answer_says(place, reason, message):
    place.proxy.drop(is_commit)
    place.proxy.refuse(lambda sent: sent.method == "GET" and "-publish-run_1-" in sent.path, reason, message)
    assert publish(place.warehouse, ACME, [row(MONDAY)], 1) == 1
    assert stored(place.warehouse, ACME) == [(MONDAY, "compute", Decimal(1))]
    assert len({sent.body["jobReference"]["jobId"] for sent in place.proxy.jobs if is_commit(sent)}) == 1


def test_nothing_is_asked_of_a_commit_that_is_not_needed(place):
    place.proxy.refuse(lambda sent: "parentJobId" in sent.path and is_commit(place.proxy.jobs[-1]), "accessDenied", "Access Denied")
    publish(place.warehouse, ACME, [row(MONDAY)], 1)
    assert [sent.path for sent in place.proxy.sent if "parentJobId" in sent.path and "publish" in sent.path] == []


def test_a_cancelled_commit_is_sent_again_with_what_is_staged(place, monkeypatch):
    monkeypatch.setattr(bq_commit, "PAUSE_SECONDS", 0.001)
    place.proxy.fail_job(is_commit, "invalidQuery", ABORTED, times=2)
    publish(place.warehouse, ACME, [row(MONDAY)], 1, days(MONDAY, MONDAY))
    assert stored(place.warehouse, ACME) == [(MONDAY, "compute", Decimal(1))]
    assert len({sent.body["jobReference"]["jobId"] for sent in place.proxy.jobs if is_commit(sent)}) == 3
    assert len([sent for sent in place.proxy.jobs if "load" in sent.configuration]) <= 1


def test_a_commit_that_is_cancelled_every_time_may_be_tried_again_later(place, monkeypatch):
    monkeypatch.setattr(bq_commit, "PAUSE_SECONDS", 0.001)
    place.proxy.fail_job(is_commit, "invalidQuery", ABORTED, times=bq_commit.TRIES)
    with pytest.raises(Throttled):
        publish(place.warehouse, ACME, [row(MONDAY)], 1)
    assert stored(place.warehouse, ACME) == []
    assert publish(place.warehouse, ACME, [row(MONDAY)], 1) == 1


def test_of_two_that_are_open_the_one_that_commits_later_hears_of_the_other(place):
    with pytest.raises(Superseded), place.warehouse.publication(ACME, "old", Fence("costs", 1)) as older:  # noqa: PT012 - its end is what raises
        older.append("costs", [row(MONDAY, "1")])
        publish(place.warehouse, ACME, [row(MONDAY, "2")], 2)
    with pytest.raises(Throttled), place.warehouse.publication(ACME, "one", Fence("one", 1)) as late:  # noqa: PT012 - its end is what raises
        late.replace("costs", [row(TUESDAY, "3")], days(TUESDAY, TUESDAY))
        publish(place.warehouse, ACME, [row(TUESDAY, "4")], 1, days(TUESDAY, TUESDAY), scope="two")
    assert [line[2] for line in stored(place.warehouse, ACME)] == [2, 4]


def test_two_tries_of_one_step_do_not_take_each_other_s_outcome_for_their_own(place):
    with pytest.raises(Superseded), place.warehouse.publication(ACME, "run", Fence("costs", 1)) as first:  # noqa: PT012 - its end is what raises
        first.append("costs", [row(MONDAY, "1")])
        with place.warehouse.publication(ACME, "run", Fence("costs", 1)) as second:
            second.append("costs", [row(MONDAY, "2")])
    assert [line[2] for line in stored(place.warehouse, ACME)] == [2]


def test_a_fence_that_stands_twice_is_one_fence(place):
    place.client.query_and_wait(f"INSERT INTO `{ACME.dataset}`.x_fences (scope) SELECT scope FROM UNNEST(['costs', 'costs']) AS scope")
    publish(place.warehouse, ACME, [row(MONDAY)], 2)
    with pytest.raises(Superseded):
        publish(place.warehouse, ACME, [row(MONDAY)], 1)
    assert place.warehouse.last_generation(ACME, "costs") == 2


def test_a_table_s_fence_that_stands_twice_at_two_generations_is_one_fence(place):
    # the second was seeded while the transaction ran that advanced the first
    rows = "[STRUCT('table:costs' AS scope, 1 AS generation), STRUCT('table:costs' AS scope, NULL AS generation)]"
    place.client.query_and_wait(f"INSERT INTO `{ACME.dataset}`.x_fences (scope, generation) SELECT scope, generation FROM UNNEST({rows})")
    for scope, generation in (("one", 1), ("two", 1), ("one", 2)):
        publish(place.warehouse, ACME, [row(MONDAY, str(generation))], generation, days(MONDAY, MONDAY), scope=scope)
    with pytest.raises(Throttled), place.warehouse.publication(ACME, "one", Fence("one", 3)) as late:  # noqa: PT012 - its end is what raises
        late.replace("costs", [row(MONDAY, "3")], days(MONDAY, MONDAY))
        publish(place.warehouse, ACME, [row(MONDAY, "4")], 2, days(MONDAY, MONDAY), scope="two")
    assert [line[2] for line in stored(place.warehouse, ACME)] == [4]


CHANGES = (
    "DELETE FROM costs WHERE cost IN (SELECT MAX(c.cost) FROM costs AS c WHERE c.day = @day)",
    "UPDATE costs SET cost = cost + 10 WHERE day = @day",
)


def test_what_others_append_is_not_lost_under_a_changed_copy(place):
    with place.warehouse.publication(ACME, "first", Fence("costs", 1)) as publication:
        publication.replace("costs", [row(MONDAY, "1")])
    for number, sql in enumerate(CHANGES, 2):  # nothing was appended before the first of them
        with pytest.raises(Throttled), place.warehouse.publication(ACME, "change", Fence("a", 1)) as publication:  # noqa: PT012 - its end
            publication.execute(sql, {"day": MONDAY})
            publish(place.warehouse, ACME, [row(TUESDAY, str(number))], number, scope="b")
    assert [line[2] for line in stored(place.warehouse, ACME)] == [1, 2, 3]
    with place.warehouse.publication(ACME, "change", Fence("a", 1)) as publication:
        assert publication.execute(CHANGES[-1], {"day": MONDAY}) == 1
    assert [line[2] for line in stored(place.warehouse, ACME)] == [11, 2, 3]


def test_what_others_append_stays_beside_what_is_replaced(place):
    publish(place.warehouse, ACME, [row(MONDAY, "1")], 1)
    with place.warehouse.publication(ACME, "run", Fence("a", 1)) as publication:
        publication.replace("costs", [row(MONDAY, "2")], days(MONDAY, MONDAY))
        publish(place.warehouse, ACME, [row(TUESDAY, "3")], 1, scope="b")
    assert [line[2] for line in stored(place.warehouse, ACME)] == [2, 3]


def test_json_is_loaded_changed_and_written_as_json(place):
    place.warehouse.ensure_table(ACME, TableSchema("notes", (Field("id", "INT64"), Field("said", "JSON"))))
    with place.warehouse.publication(ACME, "run", Fence("notes", 1)) as publication:
        publication.append("notes", [{"id": 1, "said": {"a": [1, None]}}, {"id": 2, "said": None}])
        publication.stage(
            "more", pa.table({"id": [3], "said": [[{"b": "x"}]]}), TableSchema("s", (Field("id", "INT64"), Field("said", "JSON")))
        )
        publication.insert("notes", "SELECT id, said FROM more")
        assert publication.execute("UPDATE notes SET id = id + 10 WHERE id > 1") == 2
    found = place.warehouse.query(ACME, "SELECT id, said FROM notes ORDER BY id").to_pylist()
    assert [(line["id"], line["said"] and json.loads(line["said"])) for line in found] == [
        (1, {"a": [1, None]}),
        (12, None),
        (13, [{"b": "x"}]),
    ]


SHAPE = TableSchema(
    "shape",
    (
        Field("cost", "NUMERIC"),
        Field("label", "STRUCT", fields=(Field("key", "STRING"), Field("new", "INT64"))),
        Field("credits", "STRUCT", "REPEATED", fields=(Field("amount", "NUMERIC"),)),
        Field(LOAD_DAY, "DATE"),
        Field("absent", "DATE"),
    ),
)


def test_remote_rows_come_from_bigquery_to_bigquery_by_their_days(place):
    place.client.create_dataset("exports")
    place.client.query_and_wait(
        "CREATE TABLE exports.bill (cost FLOAT64, label STRUCT<old INT64, key STRING>, credits ARRAY<STRUCT<kind STRING, amount FLOAT64>>, "
        "other STRING) PARTITION BY _PARTITIONDATE"
    )
    for number in (1, 2, 3):
        place.client.query_and_wait(
            f"INSERT INTO exports.bill (_PARTITIONTIME, cost, label, credits) SELECT TIMESTAMP '2026-11-0{number}', {number} / 10, "
            "STRUCT(1 AS old, 'k' AS key), [STRUCT('c' AS kind, 0.25 AS amount)]"
        )
    rows = RemoteRows(place.client.project, "exports", "bill", (date(2026, 11, 1), date(2026, 11, 3)))
    with place.warehouse.publication(ACME, "run", Fence("s", 1)) as publication:
        staged = publication.stage("incoming", rows, SHAPE)
        found = publication.query("SELECT * FROM incoming ORDER BY cost").to_pylist()
    assert staged.absent == ("absent",)
    assert staged.unknown == ("other",)
    assert found == [
        {
            "cost": Decimal(number) / 10,
            "label": {"key": "k", "new": None},
            "credits": [{"amount": Decimal("0.25")}],
            LOAD_DAY: date(2026, 11, number),
            "absent": None,
        }
        for number in (1, 3)
    ]
    [asked] = [sent.sql for sent in place.proxy.jobs if "_PARTITIONTIME IN" in sent.sql]
    assert "_PARTITIONTIME IN (TIMESTAMP '2026-11-01', TIMESTAMP '2026-11-03')" in asked


CHILD = """
import pathlib, sys
from src.core.base.faults import Fault
from src.core.engine.port import Fence
from tests.contract.warehouse.conftest import *
from tests.contract.warehouse.tables import *
folder, scope, generation = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
warehouse = open_warehouse(settings_for("bigquery", folder), SystemClock())
print("ready", flush=True)
sys.stdin.readline()
try:
    with warehouse.publication(tenant_named("acme_corp"), f"run_{scope}", Fence(scope, generation)) as publication:
        publication.replace("costs", [row(MONDAY, str(generation))] * 3, days(MONDAY, MONDAY))
except Fault as fault:
    print(type(fault).__name__, flush=True)
else:
    print("published", flush=True)
"""


@contextlib.contextmanager
def publisher(place: Place, scope: str, generation: int) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", CHILD, str(place.folder), scope, str(generation)]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        yield child


def begin(child: subprocess.Popen[str]) -> None:
    assert child.stdin
    child.stdin.write("go\n")
    child.stdin.flush()


@pytest.mark.parametrize("scopes", [("costs", "costs"), ("one", "two")], ids=["one scope", "two scopes"])
def test_two_processes_that_replace_the_same_window_leave_one_of_them(place, scopes):
    with publisher(place, scopes[0], 1) as first, publisher(place, scopes[1], 2) as second:
        begin(first)
        begin(second)
        said = [child.stdout.read().strip() for child in (first, second) if child.stdout]
    costs = [line[2] for line in stored(place.warehouse, ACME)]
    assert len(costs) == 3
    assert len(set(costs)) == 1
    assert "published" in said
    assert set(said) <= {"published", "Superseded", "Throttled"}


@pytest.mark.parametrize("sent", [False, True], ids=["before", "after"])
def test_a_process_killed_around_its_commit_leaves_all_or_nothing(place, sent):
    publish(place.warehouse, ACME, [row(MONDAY, "9")], 1)
    rule = place.proxy.hold(is_commit if sent else is_count)
    with publisher(place, "costs", 2) as child:
        begin(child)
        assert rule.held.wait(60)
        child.send_signal(signal.SIGKILL)
        child.wait()
    rule.release.set()
    if sent:
        [commit] = [one for one in place.proxy.jobs if is_commit(one) and "run_costs" in one.body["jobReference"]["jobId"]]
        place.client.get_job(commit.body["jobReference"]["jobId"]).result()
    assert [line[2] for line in stored(place.warehouse, ACME)] == ([2, 2, 2] if sent else [9])
    assert place.warehouse.last_generation(ACME, "costs") == (2 if sent else 1)
    publish(place.warehouse, ACME, [row(MONDAY, "3")], 3, days(MONDAY, MONDAY))
    assert [line[2] for line in stored(place.warehouse, ACME)] == [3]


def test_what_failed_inside_ends_the_publication(place):
    with pytest.raises(Conflict, match="failed"), place.warehouse.publication(ACME, "run", Fence("costs", 1)) as publication:  # noqa: PT012
        publication.append("costs", [row(MONDAY)])
        with pytest.raises(Rejected):
            publication.execute("UPDATE costs SET cost = 1 / 0 WHERE TRUE")
    assert stored(place.warehouse, ACME) == []


CASES = [
    (pa.array([0.1, None, -1e-9]), Field("a", "NUMERIC"), [Decimal("0.1"), None, Decimal("-0.000000001")]),
    (pa.array([Decimal("0.0000000015"), Decimal("-0.0000000015")], pa.decimal128(38, 10)), Field("a", "NUMERIC"), ["2E-9", "-2E-9"]),
    (pa.array(["2026-11-01"]), Field("a", "DATE"), [date(2026, 11, 1)]),
    (pa.array([1, None]), Field("a", "NUMERIC"), [Decimal(1), None]),
    (pa.array(["x", "y", "x"]).dictionary_encode(), Field("a", "STRING"), ["x", "y", "x"]),
    (pa.array([None, None]), Field("a", "STRUCT", fields=(Field("b", "DATE"),)), [None, None]),
    (pa.array([[1], None, [2, 3]]), Field("a", "FLOAT64", "REPEATED"), [[1.0], [], [2.0, 3.0]]),
    (
        pa.array([None, [{"B": 1.5, "x": 1}], [{"B": None, "x": 2}, None]]),
        Field("a", "STRUCT", "REPEATED", fields=(Field("b", "NUMERIC"), Field("c", "STRING"))),
        [[], [{"b": Decimal("1.5"), "c": None}], [{"b": None, "c": None}, None]],
    ),
]


@pytest.mark.parametrize(("column", "field", "expected"), CASES)
@pytest.mark.parametrize("offset", [0, 1])
def test_columns_are_brought_into_their_types(column, field, expected, offset):
    batch = shape_batch(pa.record_batch([column.slice(offset)], ["a"]), (field,), {"a": "a"})
    wanted = [Decimal(one) if isinstance(one, str) and "E" in one else one for one in expected[offset:]]
    assert batch.column(0).to_pylist() == wanted
    assert batch.schema.field("a") == arrow_field(field)
