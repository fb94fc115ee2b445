"""One bill has the same rows wherever it is read from and kept: out of files or BigQuery, into DuckDB or BigQuery."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.core.base.secret import Secret
from src.core.costs.proof import prove_table
from src.core.costs.reader import CostReader
from src.core.engine import open_tables
from src.core.providers.export import BillingExport, TablePlace
from src.core.providers.slices import Slice
from src.core.step.gcp.bigquery_export import BigQueryExport
from src.sandbox.gcp.accounts import DOLLARS, detailed_table
from tests.core.gcp.conftest import TODAY
from tests.core.gcp.handmade import SCHEMA, Hand, load, row
from tests.fakes.bigquery_source import BigQuerySource, bigquery_source, write
from tests.fakes.billing import Billing, billing
from tests.fakes.exports import open_export
from tests.fakes.google import service_account

# Who wrote a row and when differs from run to run, and how a source counts bytes and versions from source to source.
NOT_COMPARED = frozenset(
    {
        *("manifest_id", "pipeline_logging_id", "published_at", "said_since", "changed_at", "source_version", "bytes_read"),
        *("told_since", "told_until", "superseded_by", "objects"),
    }
)
TABLES = (
    *("gcp_billing_daily_raw", "gcp_cost_daily", "gcp_cost_daily_before"),
    *("x_cost_daily", "x_cost_monthly", "x_cost_history", "x_load_manifests"),
)
AS_OF = """
SELECT usage_date, cost FROM gcp_cost_daily WHERE told_since IS NULL OR told_since <= @moment
UNION ALL
SELECT usage_date, cost FROM gcp_cost_daily_before WHERE (told_since IS NULL OR told_since <= @moment) AND told_until > @moment
"""


def day(number: int) -> date:
    return date(2026, 11, number)


@pytest.fixture
def source(bigquery_emulator):
    with bigquery_source(bigquery_emulator) as google:
        google.knows(service_account())
        yield google
    bigquery_emulator.emptied("acme-billing")


@asynccontextmanager
async def office(folder: Any, **settings: Any) -> AsyncIterator[Billing]:
    """An organisation without credentials; what it keeps in an engine that others use too is gone afterwards."""
    with billing(folder, TODAY, **settings) as here:
        await here.begin()
        try:
            yield here
        finally:
            here.parts.warehouse.drop_dataset(here.tenant)


def kept_in(engine: str, source: BigQuerySource) -> dict[str, Any]:
    emulator = source.emulator
    assert emulator is not None
    return {"sandbox": False, "warehouse": engine, "bigquery_job_seconds": 300.0, **emulator.named, **source.settings}


def bill(here: Billing) -> dict[str, list[str]]:
    """Every row of every table, in an order that is the same for the same rows."""
    found = {}
    for table in TABLES:
        rows = here.ask(f"SELECT * FROM {table}")
        shown = [{name: plain(value) for name, value in one.items() if name not in NOT_COMPARED} for one in rows]
        found[table] = sorted(json.dumps(one, default=str, sort_keys=True) for one in shown)
    return found


def plain(value: Any) -> Any:
    """An array that is NULL is an empty one to BigQuery, and JSON it writes in its own way."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        return plain(json.loads(value))
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value] or None
    return value


class Streamed(BigQueryExport):
    """One whose rows the platform may not read where they are."""

    def place(self, table: str, days: Iterable[Slice]) -> TablePlace | None:
        return None


class Known:
    """An export with the name of its table, as `load` takes one."""

    def __init__(self, table: TablePlace, export: BillingExport) -> None:
        self.table = table
        self.load_days, self.holds, self.fetch = export.load_days, export.holds, export.fetch
        self.place, self.close = export.place, export.close
        # the emulator makes tables by the wall's clock, and these runs go by another
        self.made = lambda _table: datetime(2026, 10, 1, tzinfo=UTC)


def opened(here: Billing, table: TablePlace, *, streamed: bool) -> Known:
    tables = open_tables(here.parts.settings, Secret(json.dumps(service_account())), {"org": "acme_corp"})
    return Known(table, (Streamed if streamed else BigQueryExport)(tables, table.project, table.dataset))


class Told(Hand):
    """The handmade export, with each row written to BigQuery as well when there is a client."""

    def tell(self, client: Any, *rows: dict[str, Any]) -> None:
        self.add(*rows)
        if client:
            loaded = pa.array([one["export_time"].date() for one in rows], pa.date32())
            write(client, self.table.source, pa.Table.from_pylist(list(rows), schema=SCHEMA).append_column("load_day", loaded))


def history(here: Billing, client: Any, hand: Told, export: Any) -> Iterator[dict[str, list[str]]]:
    """A bill that grows, is corrected and comes late; as it stands after each run."""
    hand.tell(
        client,
        *(row(day(number), 100 + number) for number in range(1, 8)),
        row(day(1), 0.1),
        row(day(1), 0.2),
        row(day(2), None),
        row(day(3), 7, credits=[{"id": "c", "amount": -3.25}, {"id": "d", "amount": -0.1}]),
        row(day(4), 3, usage_start_time=None, invoice=None, credits=None, account=""),
        row(date(2026, 10, 31), 4, written=day(1)),
    )
    load(here, day(1), day(4), export, rows_per_statement=7)
    yield bill(here)
    hand.tell(client, row(day(2), -5.5, written=day(6), cost_type="adjustment"), row(day(3), 1e-9, written=day(3)))
    # of a load day that this run does not read, and that has grown, it is asked which days it touches
    hand.tell(client, row(date(2026, 10, 30), 2, written=day(1), invoice={"month": "202610"}))
    load(here, day(2), TODAY, export)
    yield bill(here)


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> Callable[[], Any]:
    found: list[Any] = []

    async def once() -> Any:
        if not found:
            async with office(tmp_path_factory.mktemp("files")) as here:
                hand = Told("costs", project="acme-billing")
                found.append(list(history(here, None, hand, hand)))
        return found[0]

    return once


# the first run alone where the way of the second is the same: a run on the emulator takes its time
@pytest.mark.parametrize("way", [("duckdb", "streamed", 2), ("bigquery", "streamed", 1), ("bigquery", "where it is", 2)])
async def test_the_books_are_those_of_the_files(tmp_path, source: BigQuerySource, expected, way):
    (engine, how, runs), states = way, await expected()
    assert states[1]["gcp_cost_daily_before"] != states[0]["gcp_cost_daily_before"] == []
    assert [one for one in states[1]["x_cost_daily"] if "2026-11-01 was read and has grown since from 4 to 5 rows" in one]
    hand = Told("costs", project="acme-billing")
    async with office(tmp_path, **kept_in(engine, source)) as here:
        export = opened(here, hand.table, streamed=how == "streamed")
        with closing(export), source.client() as client:
            client.delete_table(hand.table.source, not_found_ok=True)
            found = history(here, client, hand, export)
            for number in range(runs):
                differing(next(found), states[number])
            moments = sorted(one["published_at"] for one in here.ask("SELECT published_at FROM x_load_manifests"))
            for at, state in zip(moments, states, strict=False):
                assert sorted(str(one["cost"]) for one in here.ask(AS_OF, moment=at)) == costs(state), at
            proof = prove_table(
                CostReader(here.parts.warehouse, here.parts.settings.configs_dir, here.tenant, here.clock.now()), "gcp_billing_daily_raw"
            )
            assert {one.state for one in proof.slices} == {"proven"}
            assert (proof.files is None) is (engine == "bigquery")

    assert bool(source.sessions) is (how == "streamed")  # where the platform reads it, nothing passes through here


def costs(state: dict[str, list[str]]) -> list[str]:
    return sorted(json.loads(one)["cost"] for one in state["gcp_cost_daily"])


def differing(found: dict[str, list[str]], wanted: dict[str, list[str]]) -> None:
    for table in TABLES:
        assert {*found[table]} ^ {*wanted[table]} == set(), table
        assert found[table] == wanted[table], table


async def test_a_bill_of_every_column_comes_through_bigquery_unchanged(tmp_path, exports, source: BigQuerySource):
    """The sandbox's, which has all that Google's has."""
    table = TablePlace("sandbox-billing", "billing_export", detailed_table(DOLLARS))
    first, last = date(2026, 11, 3), date(2026, 11, 4)
    with billing(tmp_path / "sandbox", TODAY, exports) as sandbox:
        assert sandbox.parts.sandbox is not None
        key, connection = sandbox.parts.sandbox.service_account("demo"), {"project": table.project, "dataset": table.dataset}
        await sandbox.begin()
        with closing(open_export(sandbox.parts.settings, sandbox.tenant, Secret(key), connection)) as export:
            files = export.fetch(table.table, export.load_days(table.table, first, last), tmp_path, lambda _count: None)
            load(sandbox, first, last, Known(table, export), late_days=0)
        with source.client() as client:
            write(client, table.source, pa.concat_tables([pq.read_table(path) for path in files]))
        expected = bill(sandbox)
    async with office(tmp_path / "streamed", sandbox=False, **source.settings) as here:
        with closing(opened(here, table, streamed=False)) as export:
            load(here, first, last, export, late_days=0)
        found = bill(here)
        # the sandbox goes on to today, and what it was not asked for is not in BigQuery
        for rows_of in ("gcp_billing_daily_raw", "gcp_cost_daily"):
            assert len(found[rows_of]) > 100
            assert found[rows_of] == expected[rows_of]
