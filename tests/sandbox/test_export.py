"""The export as a load reads it: the same files from any process in any order, growing by whole parts, and asked again when it has."""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import pairwise

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.core.base.faults import Conflict, Missing
from src.core.providers.slices import Slice, day_slice
from src.sandbox.gcp.books import FIRST_DAY, parts_there
from src.sandbox.gcp.export import FolderExport
from src.sandbox.server import Sandbox
from tests.sandbox.conftest import CONNECTION, DETAILED, EURO, STANDARD, TABLES, TODAY, HeldClock
from tests.sandbox.recount import read

DAY = timedelta(days=1)
ELSEWHERE = """
import json, sys
from datetime import date
from pathlib import Path
from src.core.base.clock import SystemClock
from src.sandbox.gcp.export import FolderExport
from src.sandbox.server import Sandbox

sandbox = Sandbox(Path(sys.argv[1]), SystemClock(), date(2026, 11, 21))
export = FolderExport(sandbox.gcp, {"project": "sandbox-billing", "dataset": "billing_export"})
first, last = date(2026, 10, 30), date(2026, 11, 5)
print(json.dumps({table: [day.version for day in export.load_days(table, first, last)] for table in sys.argv[2:]}))
"""


def told(paths: list[int]):
    return paths.append


def unread(_: int) -> None:
    """For fetches whose bytes nobody counts."""


@pytest.mark.process
def test_days_are_the_same_in_another_process_and_another_order(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path / "there"), *TABLES], capture_output=True, text=True, check=True, cwd="."
    )
    here = FolderExport(Sandbox(tmp_path / "here", HeldClock()).gcp, CONNECTION)
    days = [date(2026, 10, 30) + DAY * number for number in range(7)]

    backwards = {table: [here.load_days(table, day, day)[0].version for day in reversed(days)][::-1] for table in reversed(TABLES)}

    assert json.loads(answer.stdout) == backwards


def test_a_day_that_was_kept_is_what_a_new_sandbox_makes(tmp_path):
    first = FolderExport(Sandbox(tmp_path / "one", HeldClock()).gcp, CONNECTION).load_days(EURO, TODAY - 3 * DAY, TODAY)

    again = FolderExport(Sandbox(tmp_path / "one", HeldClock()).gcp, CONNECTION).load_days(EURO, TODAY - 3 * DAY, TODAY)
    anew = FolderExport(Sandbox(tmp_path / "two", HeldClock()).gcp, CONNECTION).load_days(EURO, TODAY - 3 * DAY, TODAY)

    assert first == again == anew


@settings(max_examples=25, deadline=None)
@given(st.dates(date(2024, 12, 1), date(2026, 12, 31)), st.integers(-3, 6))
def test_load_days_are_the_days_of_the_range_that_are_over(kept, since, length):
    found = FolderExport(kept.gcp, CONNECTION).load_days(STANDARD, since, since + DAY * length)

    wanted = [since + DAY * number for number in range(length + 1)]
    assert [day.day for day in found] == [day for day in wanted if FIRST_DAY <= day < TODAY]
    assert all(day.rows and day.bytes for day in found)


@given(st.dates(date(2024, 12, 1), date(2026, 12, 31)), st.dates(date(2024, 12, 1), date(2026, 12, 31)))
def test_a_day_never_loses_a_part(day, as_of):
    assert parts_there(day, as_of) <= parts_there(day, as_of + DAY) <= 3
    assert (parts_there(day, as_of) > 0) == (FIRST_DAY <= day < as_of)


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_written_on_their_load_day_and_counted(export, tmp_path, table):
    days = export.load_days(table, TODAY - 4 * DAY, TODAY)

    for day, path in zip(days, export.fetch(table, days, tmp_path, unread), strict=True):
        rows = list(read([path]))
        assert len(rows) == day.rows
        assert {row["export_time"].date() for row in rows} == {day.day}


@pytest.mark.parametrize(("day", "moments"), [(date(2026, 11, 9), 1), (date(2026, 11, 7), 2)])
def test_a_day_grows_and_keeps_what_it_had(tmp_path, day, moments):
    clock = HeldClock(day + DAY)
    export = FolderExport(Sandbox(tmp_path / "sandbox", clock).gcp, CONNECTION)
    seen: list[tuple[tuple[Slice, ...], Counter[str]]] = []
    for _ in range(8):
        listed = export.load_days(STANDARD, day, day)
        into = tmp_path / f"{clock.now():%d}"
        into.mkdir()
        rows = Counter(json.dumps(row, default=str) for row in read(export.fetch(STANDARD, listed, into, unread)))
        if not seen or seen[-1][0] != listed:
            seen.append((listed, rows))
        clock.pass_by(days=1)

    assert len(seen) == 1 + moments
    for (_, before), (_, after) in pairwise(seen):
        assert before < after


def test_a_day_that_has_grown_since_it_was_listed_is_a_conflict(tmp_path):
    clock = HeldClock()
    export = FolderExport(Sandbox(tmp_path / "sandbox", clock).gcp, CONNECTION)
    listed = export.load_days(STANDARD, TODAY - 2 * DAY, TODAY)
    clock.pass_by(days=1)

    export.fetch(STANDARD, listed[:1], tmp_path, unread)
    with pytest.raises(Conflict, match="2026-11-20"):
        export.fetch(STANDARD, listed, tmp_path, unread)
    with pytest.raises(Conflict):
        export.fetch(STANDARD, [day_slice(TODAY + DAY, 1, 1, "made up")], tmp_path, unread)


def test_fetching_tells_bytes_and_names_files_apart(export, tmp_path):
    bytes_told: list[int] = []
    paths = []
    for table in TABLES:
        days = export.load_days(table, TODAY - 3 * DAY, TODAY)
        paths += export.fetch(table, days, tmp_path, told(bytes_told))
        export.fetch(table, days, tmp_path, unread)

    assert len(set(paths)) == len(paths) == 9
    assert bytes_told == [path.stat().st_size for path in paths]
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_file_taken_away_is_made_again(tmp_path):
    sandbox = Sandbox(tmp_path / "sandbox", HeldClock())
    export = FolderExport(sandbox.gcp, CONNECTION)
    listed = export.load_days(EURO, TODAY - DAY, TODAY)
    for file in (tmp_path / "sandbox").rglob("*.parquet"):
        file.unlink()

    (path,) = export.fetch(EURO, listed, tmp_path, unread)

    assert path.stat().st_size == listed[0].bytes
    assert export.load_days(EURO, TODAY - DAY, TODAY) == listed


def test_threads_that_ask_at_once_get_one_file(tmp_path):
    export = FolderExport(Sandbox(tmp_path / "sandbox", HeldClock()).gcp, CONNECTION)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: export.load_days(STANDARD, TODAY - 2 * DAY, TODAY), range(16)))

    assert len(set(answers)) == 1
    assert len(list((tmp_path / "sandbox").rglob("*.parquet"))) == 2
    assert not list((tmp_path / "sandbox").rglob("*.draft"))


def test_only_usage_exports_of_the_connection_can_be_read(kept):
    outside = [
        FolderExport(kept.gcp, {**CONNECTION, "project": "sandbox-second"}),
        FolderExport(kept.gcp, {**CONNECTION, "dataset": "other"}),
        FolderExport(kept.gcp, CONNECTION, [EURO]),
    ]

    for export in outside:
        with pytest.raises(Missing):
            export.load_days(STANDARD, TODAY - DAY, TODAY)
    with pytest.raises(Missing):
        FolderExport(kept.gcp, CONNECTION).load_days("cloud_pricing_export", TODAY - DAY, TODAY)
    assert FolderExport(kept.gcp, {"project": "sandbox-billing"}).load_days(f"billing_export.{EURO}", TODAY - DAY, TODAY)


def test_columns_come_when_google_added_them(export, tmp_path):
    names = {}
    for day in (date(2026, 6, 30), date(2026, 7, 1), date(2026, 9, 30), date(2026, 10, 1)):
        for table in (STANDARD, DETAILED):
            (path,) = export.fetch(table, export.load_days(table, day, day), tmp_path, unread)
            names[day.month, day.day, table] = pq.read_schema(path).names

    assert names[7, 1, STANDARD][-2:] == ["cost_at_list_consumption_model", "consumption_model"]
    assert names[7, 1, STANDARD][:-2] == names[6, 30, STANDARD]
    assert names[10, 1, STANDARD] == [*names[9, 30, STANDARD], "cost_at_list_future"]
    assert set(names[10, 1, DETAILED]) - set(names[10, 1, STANDARD]) == {"resource"}
