"""The pipeline from setting up a credential to the bill, with the rows in the organisation's BigQuery."""

import json
from datetime import date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pytest

from src.core.base.faults import Rejected
from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.engine.port import RemoteRows
from src.core.providers.slices import SourceChanged
from src.core.step.gcp.exports import ExportSource
from src.core.step.source.fetching import Batch, require_unchanged
from tests.core.gcp.conftest import TODAY
from tests.core.gcp.handmade import SCHEMA, Hand, load, row, said
from tests.fakes.bigquery_source import bigquery_source, write
from tests.fakes.billing import ROOT, billing
from tests.fakes.google import error, service_account

TEXT = pa.string()
# what the pipeline wants of an export and the handmade rows leave out
WHOLE = [
    *SCHEMA,
    pa.field("sku", pa.struct({"id": TEXT, "description": TEXT})),
    pa.field("project", pa.struct({"id": TEXT, "name": TEXT})),
    pa.field("location", pa.struct({"region": TEXT})),
    pa.field("usage_end_time", pa.timestamp("us", tz="UTC")),
    pa.field("labels", pa.list_(pa.struct({"key": TEXT, "value": TEXT}))),
]
PLACE = "acme-billing.bills.gcp_billing_export_v1_0B0B0B_1B1B1B_2C2C2C"


def day(number: int) -> date:
    return date(2026, 11, number)


@pytest.fixture(scope="module")
def written(bigquery_emulator):
    """Three days, and a row of the second that was written a minute before the third began and loaded after."""
    late = row(day(2), 7)
    late["export_time"] = datetime.combine(day(2), time(23, 59), late["export_time"].tzinfo)
    made = [(day(number), row(day(number))) for number in (1, 2, 3)] + [(day(3), late)]
    rows = pa.Table.from_pylist([one for _, one in made], schema=pa.schema(WHOLE))
    with bigquery_source(bigquery_emulator) as source, source.client() as client:
        write(client, PLACE, rows.append_column("load_day", pa.array([on for on, _ in made], pa.date32())))
    yield bigquery_emulator
    bigquery_emulator.emptied(PLACE.partition(".")[0])


@pytest.fixture
def source(written):
    with bigquery_source(written) as google:
        google.knows(service_account())
        yield google


@pytest.fixture
async def bare(tmp_path, source):
    with billing(tmp_path, TODAY, sandbox=False, **source.settings) as here:
        given = {"org_slug": "acme_corp", "company_name": "Acme", "admin_email": "finops@example.com"}
        (await here.parts.executor.run("setup/organizations/onboarding", actor=ROOT, tenant=here.tenant, inputs=given)).require()
        yield here


async def run(here: Any, document: str, window: Window | None = None, **inputs: object) -> Any:
    return await here.parts.executor.run(document, actor=ROOT, tenant=here.tenant, window=window, inputs=inputs)


async def test_from_the_credential_to_the_bill(bare, source):
    settings = {"dataset": "bills"}
    (await run(bare, "integrations/gcp/setup", credential=Secret(json.dumps(service_account())), settings=settings)).require()
    outcome = await run(bare, "gcp/cost/billing", Window(day(1), day(3)))

    assert outcome.require().of("load_billing")["rows_processed"] == 4
    assert {name: cost for name, (cost, _) in said(bare).items() if cost != "0.00"} == {
        "11-01": "100.00",
        "11-02": "107.00",
        "11-03": "100.00",
    }
    loaded = bare.ask("SELECT ingest_date, COUNT(*) AS n, MIN(DATE(export_time)) AS first FROM gcp_billing_daily_raw GROUP BY 1 ORDER BY 1")
    assert [(one["ingest_date"], one["n"], one["first"]) for one in loaded] == [
        (day(1), 1, day(1)),
        (day(2), 1, day(2)),
        (day(3), 2, day(2)),
    ]
    [manifest] = bare.ask("SELECT source, columns_absent FROM x_load_manifests")
    assert manifest["source"] == PLACE
    assert "load_day" not in manifest["columns_absent"]
    assert {sent.account for sent in source.sent} == {service_account()["client_email"]}

    again = (await run(bare, "gcp/cost/billing", Window(day(1), day(3)))).require()
    assert again.of("load_billing")["rows_processed"] == 0  # nothing has changed, so nothing is read
    assert len(source.sessions) == 3


async def test_a_right_that_is_missing_is_told_by_the_run(bare, source):
    (await run(bare, "integrations/gcp/setup", credential=Secret(json.dumps(service_account())), settings={"dataset": "bills"})).require()
    denied = error(403, "User does not have bigquery.jobs.create permission in project acme-billing.", "accessDenied")
    source.refuse = lambda sent: denied if sent.sql else None
    outcome = await run(bare, "gcp/cost/billing", Window(day(1), day(3)))

    assert isinstance(outcome.fault, Rejected)
    assert "grant it roles/bigquery.jobUser in project acme-billing" in str(outcome.fault)
    assert bare.ask("SELECT * FROM x_load_manifests") == []


class Restless(Hand):
    """Written to while it is read, as often as `changes` says."""

    changes = 0

    def fetch(self, table: str, days: Any, into: Any, told: Any) -> Any:
        if self.changes:
            self.changes -= 1
            self.add(row(day(1), 1))
            raise SourceChanged("it was written to")
        return super().fetch(table, days, into, told)


@pytest.mark.parametrize(("changes", "billed"), [(2, "102.00"), (3, None)])
async def test_a_source_that_changes_is_listed_again_and_not_for_ever(bare, changes, billed):
    source = Restless("costs", [row(day(1))])
    source.changes = changes
    if billed is None:
        with pytest.raises(SourceChanged):
            load(bare, day(1), day(1), source)
        return
    load(bare, day(1), day(1), source)

    assert said(bare)["11-01"][0] == billed


def test_rows_read_where_they_are_are_compared_afterwards():
    hand = Hand("costs", [row(day(1)), row(day(2))])
    source = ExportSource(hand.table, hand)
    batches = [
        Batch(source, (one,), RemoteRows("proj", "ds", "costs", (one.day,)))
        for one in source.slices(Window(day(1), day(2)), Window(day(1), day(2))).slices
    ]
    require_unchanged(batches)
    hand.add(row(day(2)))

    with pytest.raises(SourceChanged, match=str(day(2))):
        require_unchanged(batches)
    require_unchanged(batches[:1])  # what changed is no part of these


def test_days_are_far_apart():
    """A listing of the first and the last of them shows those between, too."""
    hand = Hand("costs", [row(day(1) + timedelta(days=number)) for number in range(15)])
    source = ExportSource(hand.table, hand)
    listed = source.slices(Window(day(1), TODAY), Window(day(1), TODAY)).slices
    far = (listed[0], listed[-1])
    require_unchanged([Batch(source, far, RemoteRows("proj", "ds", "costs", tuple(one.day for one in far)))])
