"""The organisation's own BigQuery as a source: what is asked of it, what is read, and what is said when it refuses."""

import hashlib
import json
from datetime import date
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.core.base.faults import Missing, Rejected, Throttled, Timeout, Unavailable
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.providers.slices import SliceDays, SourceChanged, day_slice
from tests.core.gcp.handmade import SCHEMA, row
from tests.fakes.bigquery_source import bigquery_source, write
from tests.fakes.exports import open_export
from tests.fakes.google import error, service_account

ACME = Tenant(org_slug("acme_corp"), Environment.DEVELOPMENT)
CONNECTION = {"project": "acme-billing", "dataset": "billing"}
TABLE = "gcp_billing_export_v1_0A0A0A"
PLACE = f"acme-billing.billing.{TABLE}"


def day(number):
    return date(2026, 11, number)


def rows(*made: tuple[date, dict[str, Any]]) -> pa.Table:
    """Each row with the day that it was loaded on."""
    loaded = pa.array([on for on, _ in made], pa.date32())
    return pa.Table.from_pylist([one for _, one in made], schema=SCHEMA).append_column("load_day", loaded)


@pytest.fixture(scope="module")
def written(bigquery_emulator):
    """An export of three load days, the last of which has a row that was written a minute before midnight."""
    with bigquery_source(bigquery_emulator) as source, source.client() as client:
        late = row(day(2), 7)
        late["export_time"] = late["export_time"].replace(hour=23, minute=59)
        write(client, PLACE, rows((day(1), row(day(1))), (day(2), row(day(2))), (day(2), row(day(1), 5)), (day(3), late)))
        client.query_and_wait(f"CREATE VIEW billing.shown AS SELECT * FROM `{PLACE}`")
        client.query_and_wait("CREATE TABLE billing.copied (cost FLOAT64, export_time TIMESTAMP) PARTITION BY DATE(export_time)")
    yield bigquery_emulator
    bigquery_emulator.emptied(PLACE.partition(".")[0])


@pytest.fixture
def source(written):
    with bigquery_source(written) as google:
        google.knows(service_account())
        yield google


def settings(source, **more: str) -> Settings:
    return Settings(_env_file=None).model_copy(
        update={**source.settings, "provider_timeout_seconds": 60.0, "bigquery_job_seconds": 20.0, **more}
    )


@pytest.fixture
def export(source):
    opened = open_export(settings(source), ACME, Secret(json.dumps(service_account())), CONNECTION)
    yield opened
    opened.close()


def untold(_count):
    """Progress is not looked at."""


def test_load_days_are_asked_of_the_partitions_in_the_range_alone(source, export):
    found = export.load_days(TABLE, day(1), day(2))

    assert [(one.day, one.rows, one.bytes) for one in found] == [(day(1), 1, 100), (day(2), 2, 200)]
    [asked] = source.questions
    assert asked.path == "/bigquery/v2/projects/acme-billing/queries?prettyPrint=false"
    assert " ".join(asked.sql.split()) == (
        "SELECT partition_id, total_rows, total_logical_bytes, last_modified_time "
        "FROM `acme-billing.billing.INFORMATION_SCHEMA.PARTITIONS` "
        "WHERE table_name = @table AND partition_id BETWEEN @first AND @last ORDER BY partition_id"
    )
    assert asked.params == {"table": TABLE, "first": "20261101", "last": "20261102"}
    assert asked.body["location"] == "US"  # the dataset's
    assert asked.body["labels"] == {"service": "convergence", "org": "acme_corp"}
    assert int(asked.body["maximumBytesBilled"]) == Settings(_env_file=None).bigquery_maximum_bytes_billed
    assert asked.body["useLegacySql"] is False


def test_what_load_days_hold_is_told_by_days_of_use_and_invoice_months(source, export):
    days = export.load_days(TABLE, day(1), day(3))

    assert export.holds(TABLE, days) == {
        "2026-11-01": SliceDays(frozenset({day(1)}), frozenset({"202611"})),
        "2026-11-02": SliceDays(frozenset({day(1), day(2)}), frozenset({"202611"})),
        "2026-11-03": SliceDays(frozenset({day(2)}), frozenset({"202611"})),
    }
    asked = source.questions[-1]
    assert asked.sql.strip().endswith("WHERE _PARTITIONTIME IN UNNEST(@days)")
    assert int(asked.body["maximumBytesBilled"]) == Settings(_env_file=None).bigquery_maximum_bytes_billed


def test_a_day_is_read_by_its_partition_alone(source, export, tmp_path):
    days = export.load_days(TABLE, day(1), day(3))
    told: list[int] = []
    paths = export.fetch(TABLE, days, tmp_path, told.append)

    assert [session.read_session.read_options.row_restriction for session in source.sessions] == [
        f"_PARTITIONTIME = TIMESTAMP '2026-11-0{number} 00:00:00+00:00'" for number in (1, 2, 3)
    ]
    assert {session.read_session.table for session in source.sessions} == {f"projects/acme-billing/datasets/billing/tables/{TABLE}"}
    assert {(session.parent, session.max_stream_count) for session in source.sessions} == {("projects/acme-billing", 1)}
    read = [one for path in paths for one in pq.read_table(path).to_pylist()]
    assert sorted((one["load_day"], one["cost"]) for one in read) == [(day(1), 100), (day(2), 5), (day(2), 100), (day(3), 7)]
    assert next(one for one in read if one["cost"] == 7)["export_time"].date() == day(2)  # written before midnight, loaded after
    assert sum(told) == 400


def test_a_day_is_counted_before_it_is_a_file(source, export, tmp_path):
    heard: list[list[float]] = []

    def measure(piece: pa.Table) -> list[dict[str, Any]]:
        assert not any(path.stat().st_size > 100 for path in tmp_path.iterdir())  # a footer or rows would be more
        heard.append(piece.column("cost").to_pylist())
        return [{"row_count": len(piece)}]

    days = export.load_days(TABLE, day(2), day(2))
    export.count_by(measure)
    [path] = export.fetch(TABLE, days, tmp_path, untold)

    came = export.counted(path)
    assert [sorted(costs) for costs in heard] == [[5, 100]]
    assert (came.slice, came.rows, came.totals) == ("2026-11-02", 2, ({"row_count": 2},))
    assert (came.name, came.etag, came.size) == (f"{PLACE}$20261102", days[0].version, 200)
    assert came.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    # a piece that does not fit is counted where it is staged, and so is all of its day
    export.count_by(lambda _piece: None)
    [path] = export.fetch(TABLE, days, tmp_path, untold)
    assert export.counted(path).totals is None


def test_the_token_is_asked_where_the_platform_says_and_reads_only(source, export):
    export.load_days(TABLE, day(1), day(3))

    assert source.scopes == ["https://www.googleapis.com/auth/bigquery.readonly"]
    assert {sent.account for sent in source.sent} == {"reader@acme-billing.iam.gserviceaccount.com"}
    assert {sent.method for sent in source.sent} == {"GET", "POST"}
    assert not [sent for sent in source.sent if "/jobs" in sent.path]  # jobs.insert could write


def test_what_is_not_settled_is_of_no_day(export):
    found = export.load_days(TABLE, date(1, 1, 1), date(9999, 12, 31))

    assert [one.day for one in found] == [day(1), day(2), day(3)]


def test_a_version_is_another_when_the_content_is(source, export):
    before = export.load_days(TABLE, day(1), day(1))
    assert export.load_days(TABLE, day(1), day(1)) == before
    source.written += 1

    assert export.load_days(TABLE, day(1), day(1))[0].version != before[0].version


def test_a_day_that_changed_while_it_was_read_is_listed_again(source, export, tmp_path):
    days = export.load_days(TABLE, day(1), day(2))

    def another_load():
        source.written += 1

    source.while_read = another_load
    with pytest.raises(SourceChanged, match="2026-11-01, 2026-11-02"):
        export.fetch(TABLE, days, tmp_path, untold)


def test_other_rows_than_listed_are_a_change(export, tmp_path):
    [one] = export.load_days(TABLE, day(2), day(2))
    with pytest.raises(SourceChanged):
        export.fetch(TABLE, [day_slice(one.day, one.rows + 1, one.bytes, one.version)], tmp_path, untold)


def test_no_place_is_named_that_the_credential_itself_may_not_read(source, export):
    days = export.load_days(TABLE, day(1), day(2))
    place = export.place(TABLE, days)
    assert place is not None
    assert (place.project, place.dataset, place.table) == ("acme-billing", "billing", TABLE)
    proof = source.questions[-1]
    assert proof.sql == f"SELECT * FROM `{PLACE}` WHERE _PARTITIONTIME IN UNNEST(@days)"
    assert proof.body["dryRun"] is True

    denied = error(403, f"Access Denied: Table {TABLE}: Permission bigquery.tables.getData denied", "accessDenied")
    source.refuse = lambda sent: denied if sent.body.get("dryRun") else None
    with pytest.raises(Rejected, match=r"roles/bigquery\.dataViewer on the dataset acme-billing\.billing"):
        export.place(TABLE, days)


@pytest.mark.parametrize("name", ["shown", "copied"])
def test_what_has_no_load_days_is_refused(export, name):
    with pytest.raises(Rejected, match="not partitioned by the day"):
        export.load_days(name, day(1), day(3))


@pytest.mark.parametrize("name", ["a`b", "billing.a.b", "x;DROP", "../t", "ds`.t"])
def test_a_name_that_is_none_never_leaves(source, export, name):
    with pytest.raises(Rejected, match="is no name"):
        export.load_days(name, day(1), day(3))
    assert source.sent == []


JOBS = "Access Denied: Project acme-billing: User does not have bigquery.jobs.create permission in project acme-billing."
VIEWER = f"Access Denied: Table acme-billing:billing.{TABLE}: Permission bigquery.tables.get denied"


@pytest.mark.parametrize(
    "told",
    [
        ("/tables/", error(403, VIEWER, "accessDenied"), Rejected, r"roles/bigquery\.dataViewer on the dataset acme-billing\.billing"),
        ("/tables/", error(404, "Not found: Table x", "notFound"), Missing, "there is no table"),
        ("/queries", error(403, JOBS, "accessDenied"), Rejected, r"roles/bigquery\.jobUser in project acme-billing"),
        ("/queries", error(404, "Not found: Dataset b was not found in location EU", "notFound"), Missing, "not where its dataset was"),
        ("/queries", error(403, "Exceeded rate limits", "rateLimitExceeded"), Throttled, "acme-billing"),
        ("/queries", error(403, "Quota exceeded", "quotaExceeded"), Throttled, "quota"),
        ("/queries", error(503, "Error encountered during execution", "backendError"), Unavailable, "within itself"),
        ("/queries", error(400, "Query exceeded limit for bytes billed", "bytesBilledLimitExceeded"), Rejected, "MAXIMUM_BYTES_BILLED"),
        ("/queries", error(403, "BigQuery API has not been used in project 1 before", "accessNotConfigured"), Rejected, "enable both"),
        ("/tables/", error(401, "Request had invalid authentication credentials.", "authError"), Rejected, "does not let reader@"),
    ],
)
def test_a_refusal_names_its_mend(source, export, told):
    path, answer, fault, says = told
    source.refuse = lambda sent: answer if path in sent.path else None
    with pytest.raises(fault, match=says):
        export.load_days(TABLE, day(1), day(3))


def test_a_key_that_was_switched_off_is_said_to_be(source, export):
    source.disabled.add("reader@acme-billing.iam.gserviceaccount.com")
    with pytest.raises(Rejected, match="Google refuses this key of reader@"):
        export.load_days(TABLE, day(1), day(3))


@pytest.mark.parametrize(
    "told",
    [
        ("PERMISSION_DENIED", "bigquery.readsessions.create denied", Rejected, r"roles/bigquery\.readSessionUser in project acme-billing"),
        ("PERMISSION_DENIED", "bigquery.tables.getData denied on table t", Rejected, r"roles/bigquery\.dataViewer on the dataset"),
        ("NOT_FOUND", "Not found: Table t", Missing, "there is no table"),
        ("UNAVAILABLE", "try again", Unavailable, "within itself"),
        ("RESOURCE_EXHAUSTED", "CreateReadSession quota", Throttled, "quota"),
        ("DEADLINE_EXCEEDED", "too late", Timeout, "BIGQUERY_JOB_SECONDS"),
    ],
)
def test_a_refusal_to_read_in_bulk_names_its_mend(source, export, tmp_path, told):
    code, said, fault, says = told
    days = export.load_days(TABLE, day(1), day(1))
    source.refuse_session = lambda: (grpc.StatusCode[code], said)
    with pytest.raises(fault, match=says):
        export.fetch(TABLE, days, tmp_path, untold)


def test_a_source_that_is_not_there_is_told_as_that(source, tmp_path):
    gone = open_export(settings(source, bigquery_url="http://127.0.0.1:9"), ACME, Secret(json.dumps(service_account())), CONNECTION)
    with pytest.raises(Unavailable, match="BIGQUERY_URL"):
        gone.load_days(TABLE, day(1), day(1))
    gone.close()


def test_two_organisations_share_nothing(source, export):
    other = {**service_account("other", "other-billing", 1)}
    source.knows(other, 1)
    theirs = open_export(settings(source), ACME, Secret(json.dumps(other)), CONNECTION)
    export.load_days(TABLE, day(1), day(1))
    theirs.load_days(TABLE, day(1), day(1))
    theirs.close()

    assert {sent.account for sent in source.sent} == {"reader@acme-billing.iam.gserviceaccount.com", other["client_email"]}
    assert source.questions[-1].path.startswith("/bigquery/v2/projects/other-billing/queries")  # their own project pays
    assert export.load_days(TABLE, day(1), day(1))  # still open
