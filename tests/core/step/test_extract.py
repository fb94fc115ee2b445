"""How much of a load lies on the disk at once, and what becomes of one for which there is no room."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.core.base.faults import Unavailable
from src.core.base.schema import Field, TableSchema
from src.core.engine.arrow import arrow_field
from src.core.engine.bigquery.staging import pieces
from src.core.providers.slices import OnBytes, Slice
from tests.core.gcp.handmade import Hand, load, row
from tests.fakes.billing import Billing, billing

TODAY = date(2026, 11, 20)
FIRST = date(2026, 11, 1)
FULL = Path("/dev/full")
RAW = "gcp_billing_daily_raw"


@dataclass
class Watched(Hand):
    """Looks what lies on the disk when it is asked for files; from `full` askings on there is no room for them."""

    folder: Path = Path()
    full: int = 99
    seen: list[int] = field(default_factory=list)

    def fetch(self, table: str, days: Iterable[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        self.seen.append(len([*self.folder.rglob("*.parquet")]))
        paths = super().fetch(table, days, into, on_bytes)
        if len(self.seen) > self.full:
            with FULL.open("wb", buffering=0) as disk:
                disk.write(paths[0].read_bytes())
        return paths


@pytest.fixture
def office(request, engine, tmp_path) -> Iterator[Billing]:
    settings: dict[str, Any] = {"sandbox": False}
    if engine == "bigquery":
        emulator = request.getfixturevalue("bigquery_emulator")
        settings |= {"warehouse": "bigquery", "bigquery_job_seconds": 300.0, "scratch_dir": tmp_path / "scratch", **emulator.named}
    with billing(tmp_path, TODAY, **settings) as here:
        here.parts.warehouse.ensure_dataset(here.tenant)
        yield here
        here.parts.warehouse.drop_dataset(here.tenant)


@pytest.mark.parametrize(("engine", "lying"), [("duckdb", [0, 1, 2]), ("bigquery", [0, 0, 0])])
def test_a_load_of_any_length_takes_the_room_of_one_batch_where_nothing_waits_for_it(office, lying):
    """On DuckDB a publication is an open transaction, so there all is brought before it begins. Half a load leaves nothing."""
    folder = office.parts.warehouse.io_folder(office.tenant)
    source = Watched("costs", [row(FIRST + timedelta(number), 10 + number) for number in range(3)], folder=folder, full=1)
    with pytest.raises(Unavailable, match="SCRATCH_DIR"):
        load(office, FIRST, TODAY, source, rows_per_statement=1)
    left = [*folder.rglob("*")]
    if RAW in office.parts.warehouse.tables(office.tenant):
        left += office.ask(f"SELECT * FROM {RAW}")
    assert left == []
    source.full = 99
    load(office, FIRST, TODAY, source, rows_per_statement=1)
    assert source.seen == [*lying[:2], *lying]
    assert [float(one["cost"]) for one in office.ask(f"SELECT cost FROM {RAW} ORDER BY cost")] == [10, 11, 12]
    assert [*folder.rglob("*")] == []


def test_what_is_staged_on_a_full_disk_is_told_by_its_setting(tmp_path, monkeypatch):
    whole = pq.ParquetWriter
    monkeypatch.setattr(pq, "ParquetWriter", lambda _path, schema, **more: whole(FULL, schema, **more))
    fields = TableSchema("t", (Field("a", "STRING"),)).fields
    batch = pa.record_batch([["x"]], schema=pa.schema([arrow_field(one) for one in fields]))
    with pytest.raises(Unavailable, match="SCRATCH_DIR"), pieces(tmp_path, batch.schema, [batch], empty=False):
        pass
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("engine", ["bigquery"])
def test_a_download_for_which_there_is_no_room_leaves_no_file(office, monkeypatch):
    warehouse = office.parts.warehouse
    folder = warehouse.io_folder(office.tenant)
    (folder / ".out.csv.part").symlink_to(FULL)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)  # it is the disk's, and not a file that was made here
    with pytest.raises(Unavailable, match="SCRATCH_DIR"):
        warehouse.export(office.tenant, "SELECT 1 AS a", "out.csv", "csv")
    assert [*folder.iterdir()] == []
