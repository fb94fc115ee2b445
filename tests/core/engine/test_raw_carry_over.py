"""Raw tables that a release before kept as tables of the database, carried over into files."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from src.core.base.clock import SystemClock
from src.core.base.faults import Conflict
from src.core.base.schema import Field, Partition, SliceColumns, TableSchema
from src.core.engine import open_warehouse
from src.core.engine.duckdb.store import tables
from src.core.engine.port import Fence, TablePart, Warehouse
from tests.contract.warehouse.conftest import settings_for
from tests.core.engine.raw import ACME, listed, standing

CREDIT = (Field("id", "STRING"), Field("amount", "NUMERIC"), Field("full_name", "STRING"))
LABEL = (Field("key", "STRING"), Field("value", "STRING"))
NOW = TableSchema(
    "gcp_raw",
    (
        Field("source_table", "STRING"),
        Field("ingest_date", "DATE"),
        Field("usage_date", "DATE"),
        Field("usage_start_time", "TIMESTAMP"),
        Field("service", "STRUCT", fields=(Field("id", "STRING"), Field("description", "STRING"))),
        Field("project", "STRUCT", fields=(Field("id", "STRING"), Field("labels", "STRUCT", "REPEATED", fields=LABEL))),
        Field("credits", "STRUCT", "REPEATED", fields=CREDIT),
        Field("tags", "STRING", "REPEATED"),
        Field("cost", "NUMERIC"),
        Field("exact", "BIGNUMERIC"),
        Field("rate", "FLOAT64"),
        Field("number", "INT64", "REQUIRED"),
        Field("taxed", "BOOL"),
        Field("digest", "BYTES"),
        Field("facts", "JSON"),
    ),
    partition=Partition("ingest_date"),
    slices=SliceColumns("source_table", "ingest_date", "ingest_date"),
)
# as it was declared by a release that knew no slices
BEFORE = replace(NOW, slices=None)
MONDAY = date(2026, 11, 16)
OF_SERVICES = (
    "SELECT source_table, service.id AS service_id, COUNT(*) AS n, SUM(cost) AS cost FROM gcp_raw GROUP BY source_table, service.id"
)
OF_CREDITS = "SELECT number, (SELECT SUM(c.amount) FROM UNNEST(credits) AS c) AS credits FROM gcp_raw"
VIEWS = {"of_services": OF_SERVICES, "of_credits": OF_CREDITS}
IS_REAL = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'gcp_raw'"
HELD = "SELECT count(*) FROM old.gcp_raw"
DIFFERENCES = """SELECT count(*) FROM (
    (SELECT * FROM old.gcp_raw EXCEPT ALL SELECT {columns} FROM new.gcp_raw)
    UNION ALL (SELECT {columns} FROM new.gcp_raw EXCEPT ALL SELECT * FROM old.gcp_raw)
)"""


def opened(folder: Path) -> Warehouse:
    return open_warehouse(settings_for("duckdb", folder), SystemClock())


def file_of(folder: Path) -> Path:
    [file] = (folder / "warehouse" / ACME.dataset).glob("*.duckdb")
    return file


def row(source: str | None, written: date | None, number: int) -> dict[str, object]:
    used = None if number % 7 == 0 else MONDAY - timedelta(number % 5)
    return {
        "source_table": source,
        "ingest_date": written,
        "usage_date": used,
        "usage_start_time": used and datetime(used.year, used.month, used.day, 13, 5, 7, 123456, tzinfo=UTC),
        "service": {"id": f"s{number % 3}", "description": None if number % 4 else "it's"},
        "project": None if number % 6 == 0 else {"id": "p", "labels": [{"key": "team", "value": None}] * (number % 3)},
        "credits": [{"id": f"c{each}", "amount": Decimal("-0.000000001") * each, "full_name": None} for each in range(number % 3)],
        "tags": ["a", ""][: number % 3],
        "cost": None if number % 9 == 0 else Decimal(number).scaleb(-9) + number,
        "exact": Decimal(number).scaleb(-18),
        "rate": [0.1 + 0.2, -0.0, 5e-324, None][number % 4],
        "number": number,
        "taxed": [True, False, None][number % 3],
        "digest": bytes([0, number % 256]),
        "facts": [None, "null", '{"a":[1,2.50]}'][number % 3],
    }


def rows() -> list[dict[str, object]]:
    """Of two sources and of none, of several slices and of none; each stands twice, as rows of a bill may."""
    slices: list[tuple[str | None, date | None]] = [(source, MONDAY + timedelta(each)) for source in ("a", "b'\"") for each in range(4)]
    slices += [("a", None), (None, MONDAY), (None, None)]
    made = [row(*one, number) for one in slices for number in range(1, 31)]
    return made + made


def left_by_a_release_before(folder: Path) -> None:
    with closing(opened(folder)) as warehouse:
        warehouse.ensure_dataset(ACME)
        warehouse.ensure_table(ACME, BEFORE)
        for name, sql in VIEWS.items():
            warehouse.ensure_view(ACME, name, sql)
        with warehouse.publication(ACME, "run", Fence("gcp", 1)) as publication:
            publication.append("gcp_raw", rows())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    left_by_a_release_before(tmp_path)
    (tmp_path / "before.duckdb").write_bytes(file_of(tmp_path).read_bytes())
    return tmp_path


@pytest.fixture
def warehouse(folder: Path) -> Iterator[Warehouse]:
    with closing(opened(folder)) as again:
        yield again


def is_real(folder: Path) -> bool:
    with duckdb.connect(str(file_of(folder)), read_only=True) as connection:
        return connection.execute(IS_REAL).fetchall() == [(1,)]


def require_same_rows(folder: Path) -> None:
    """Between the table as it was left and what stands in its place now; nobody else has the dataset open."""
    columns = ", ".join(NOW.columns)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{folder / 'before.duckdb'}' AS old (READ_ONLY)")
        connection.execute(f"ATTACH '{file_of(folder)}' AS new (READ_ONLY)")
        assert connection.execute(HELD).fetchall() == [(len(rows()),)]
        assert connection.execute(DIFFERENCES.format(columns=columns)).fetchall() == [(0,)]


def seen(warehouse: Warehouse) -> dict[str, list[str]]:
    return {name: sorted(map(str, warehouse.query(ACME, f"SELECT * FROM {name}").to_pylist())) for name in ("gcp_raw", *VIEWS)}


def test_it_is_read_as_it_is_before_its_table_is_asked_for(folder, warehouse):
    told = seen(warehouse)
    warehouse.close()
    with closing(opened(folder)) as again:
        again.ensure_table(ACME, NOW)
        assert seen(again) == told
        assert len(told["gcp_raw"]) == len(rows())


@pytest.mark.parametrize("rows_at_once", [1, 100, tables.ROWS_AT_ONCE])
def test_each_row_stands_exactly_once_after_it_is_carried_over(folder, monkeypatch, rows_at_once):
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", rows_at_once)
    assert is_real(folder)
    with closing(opened(folder)) as warehouse:
        change = warehouse.ensure_table(ACME, NOW)
        assert (change.created, change.columns_added) == (False, ())
        assert warehouse.measure(ACME, "gcp_raw").rows == len(rows())
        assert warehouse.tables(ACME) == ("gcp_raw",)
    assert not is_real(folder)
    require_same_rows(folder)


def test_a_table_stays_one_that_files_would_not_hold_all_of(folder, warehouse, monkeypatch):
    chunks = tables._chunks
    monkeypatch.setattr(tables, "_chunks", lambda *given: list(chunks(*given))[1:])
    with pytest.raises(Conflict, match="it stays the table that it is"):
        warehouse.ensure_table(ACME, NOW)
    warehouse.close()
    assert is_real(folder)


def test_a_column_that_came_since_is_null_in_what_was_carried_over(folder, warehouse):
    further = replace(NOW, fields=(*NOW.fields, Field("region", "STRING")))
    assert warehouse.ensure_table(ACME, further).columns_added == ("region",)
    assert warehouse.query(ACME, "SELECT COUNT(*) AS n FROM gcp_raw WHERE region IS NULL").to_pylist() == [{"n": len(rows())}]
    warehouse.close()
    require_same_rows(folder)


def test_a_second_start_changes_nothing(folder, warehouse):
    warehouse.ensure_table(ACME, NOW)
    before = warehouse.query(ACME, "SELECT * FROM x_raw_files ORDER BY file").to_pylist()
    warehouse.close()
    files = standing(folder)
    with closing(opened(folder)) as again:
        assert again.ensure_table(ACME, NOW).columns_added == ()
        assert again.query(ACME, "SELECT * FROM x_raw_files ORDER BY file").to_pylist() == before
        assert standing(folder) == files == listed(again)
    require_same_rows(folder)


def test_a_reload_of_a_carried_slice_replaces_it_alone(warehouse):
    warehouse.ensure_table(ACME, NOW)
    others = "SELECT * FROM gcp_raw WHERE NOT COALESCE(source_table = 'a' AND ingest_date = DATE '2026-11-17', FALSE)"
    before = sorted(map(str, warehouse.query(ACME, others).to_pylist()))
    tuesday = MONDAY + timedelta(1)
    with warehouse.publication(ACME, "again", Fence("gcp", 2)) as publication:
        part = TablePart(equal={"source_table": "a", "ingest_date": (tuesday,)})
        assert publication.remove("gcp_raw", part) == 60
        publication.append("gcp_raw", [row("a", tuesday, 1000)])
    assert sorted(map(str, warehouse.query(ACME, others).to_pylist())) == before
    assert warehouse.measure(ACME, "gcp_raw").rows == len(rows()) - 60 + 1
    assert warehouse.query(ACME, "SELECT SUM(n) AS n FROM of_services").to_pylist() == [{"n": len(rows()) - 60 + 1}]


def test_what_fails_before_the_commit_leaves_the_table_and_no_file(folder, warehouse, monkeypatch):
    def fails(*given: object) -> None:
        raise LookupError("given up")

    told = seen(warehouse)
    monkeypatch.setattr(tables, "make_views", fails)  # its last step
    with pytest.raises(LookupError):
        warehouse.ensure_table(ACME, NOW)
    monkeypatch.undo()
    assert seen(warehouse) == told
    assert standing(folder) == []
    warehouse.ensure_table(ACME, NOW)
    assert seen(warehouse) == told
    warehouse.close()
    require_same_rows(folder)


KILLED = """
import os, pathlib, signal, sys
from src.core.engine.duckdb.store import tables
from tests.core.engine.test_raw_carry_over import ACME, NOW, opened
def dies(*given):
    os.kill(os.getpid(), signal.SIGKILL)
tables.make_views = dies
opened(pathlib.Path(sys.argv[1])).ensure_table(ACME, NOW)
"""


@pytest.mark.process
def test_a_process_killed_before_the_commit_leaves_the_table_and_the_next_start_carries_it_over(folder):
    argv = [sys.executable, "-c", KILLED, str(folder)]
    done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert standing(folder) != []
    assert is_real(folder)
    with closing(opened(folder)) as warehouse:
        assert warehouse.query(ACME, "SELECT COUNT(*) AS n FROM gcp_raw").to_pylist() == [{"n": len(rows())}]
        assert standing(folder) == []
        warehouse.ensure_table(ACME, NOW)
        assert standing(folder) == listed(warehouse)
    require_same_rows(folder)
