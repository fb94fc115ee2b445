"""The export as a load reads it: the same files from any process in any order, growing by whole parts, and asked again when it has."""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.core.base.faults import Conflict, Missing, Rejected
from src.core.providers.slices import Slice, day_slice
from src.sandbox.gcp.account_rows import FIRST_DAY, parts_there
from src.sandbox.gcp.exports import Exports
from tests.sandbox.conftest import DETAILED, EURO, STANDARD, TABLES, TODAY, HeldClock, opened, sandboxed
from tests.sandbox.recount import read

DAY = timedelta(days=1)
PROJECT = "sandbox-billing"
ELSEWHERE = """
import json, sys
from datetime import date
from pathlib import Path
from src.sandbox.gcp.exports import Exports

exports = Exports(Path(sys.argv[1]), lambda: date(2026, 11, 21))
first, last = date(2026, 10, 30), date(2026, 11, 5)
found = {table: exports.partitions("sandbox-billing", table, first, last) for table in sys.argv[2:]}
print(json.dumps({table: [one.kept.path.name for one in days] for table, days in found.items()}))
"""


def names(folder: Path, table: str, *days: date) -> list[str]:
    """Of files, which say how many rows are in them and what these digest to."""
    exports = Exports(folder, lambda: TODAY)
    return [one.kept.path.name for day in days for one in exports.partitions(PROJECT, table, day, day)]


def told(paths: list[int]):
    return paths.append


def unread(_: int) -> None:
    """For fetches whose bytes nobody counts."""


@pytest.mark.process
def test_days_are_the_same_in_another_process_and_another_order(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path / "there"), *TABLES], capture_output=True, text=True, check=True, cwd="."
    )
    days = [date(2026, 10, 30) + DAY * number for number in range(7)]

    backwards = {table: names(tmp_path / "here", table, *reversed(days))[::-1] for table in reversed(TABLES)}

    assert json.loads(answer.stdout) == backwards


def test_a_day_that_was_kept_is_what_a_new_sandbox_makes(tmp_path):
    days = [TODAY - DAY * number for number in (3, 2, 1)]
    first = names(tmp_path / "one", EURO, *days)

    again = names(tmp_path / "one", EURO, *days)
    anew = names(tmp_path / "two", EURO, *days)

    assert first == again == anew
    assert len(first) == 3


@settings(max_examples=15, deadline=None)
@given(st.dates(date(2024, 12, 1), date(2026, 12, 31)), st.integers(-3, 6))
def test_load_days_are_the_days_of_the_range_that_are_over(export, since, length):
    found = export.load_days(STANDARD, since, since + DAY * length)

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
    seen: list[tuple[tuple[Slice, ...], Counter[str]]] = []
    with sandboxed(tmp_path / "sandbox", clock) as sandbox:
        for _ in range(8):
            with closing(opened(sandbox)) as export:
                listed = export.load_days(STANDARD, day, day)
                rows = Counter(json.dumps(row, default=str) for row in read(export.fetch(STANDARD, listed, tmp_path, unread)))
            if not seen or seen[-1][0] != listed:
                seen.append((listed, rows))
            clock.pass_by(days=1)

    assert len(seen) == 1 + moments
    for (_, before), (_, after) in pairwise(seen):
        assert before < after


def test_a_day_that_has_grown_since_it_was_listed_is_a_conflict(tmp_path):
    clock = HeldClock()
    with sandboxed(tmp_path / "sandbox", clock) as sandbox:
        with closing(opened(sandbox)) as export:
            listed = export.load_days(STANDARD, TODAY - 2 * DAY, TODAY)
        clock.pass_by(days=1)
        with closing(opened(sandbox)) as export:
            export.fetch(STANDARD, listed[:1], tmp_path, unread)
            with pytest.raises(Conflict, match="2026-11-20"):
                export.fetch(STANDARD, listed, tmp_path, unread)
            with pytest.raises(Conflict):
                export.fetch(STANDARD, [day_slice(TODAY + DAY, 1, 1, "made up")], tmp_path, unread)


def test_fetching_tells_bytes_and_names_files_apart(export, tmp_path):
    bytes_told: list[int] = []
    paths, listed = [], 0
    for table in TABLES:
        days = export.load_days(table, TODAY - 3 * DAY, TODAY)
        listed += sum(day.bytes for day in days)
        paths += export.fetch(table, days, tmp_path, told(bytes_told))
        export.fetch(table, days, tmp_path, unread)

    assert len(set(paths)) == len(paths) == 9
    assert sum(bytes_told) == listed
    assert all(count >= 0 for count in bytes_told)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_file_taken_away_is_made_again(tmp_path):
    with sandboxed(tmp_path / "sandbox", HeldClock()) as sandbox, closing(opened(sandbox)) as export:
        listed = export.load_days(EURO, TODAY - DAY, TODAY)
        for file in (tmp_path / "sandbox").rglob("*.arrow"):
            file.unlink()

        (path,) = export.fetch(EURO, listed, tmp_path, unread)

        assert pq.read_metadata(path).num_rows == listed[0].rows
        assert export.load_days(EURO, TODAY - DAY, TODAY) == listed


def test_threads_that_ask_at_once_get_one_file(tmp_path):
    exports = Exports(tmp_path / "sandbox", lambda: TODAY)

    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: tuple(one.kept for one in exports.partitions(PROJECT, STANDARD, TODAY - 2 * DAY, TODAY)), range(16))
        )

    assert len(set(answers)) == 1
    assert len(list((tmp_path / "sandbox").rglob("*.arrow"))) == 2
    assert not list((tmp_path / "sandbox").rglob("*.draft"))


@pytest.mark.parametrize(
    ("account", "connection", "fault"),
    [
        ("demo", {"project": "sandbox-second"}, Rejected),
        ("demo", {"dataset": "other"}, Missing),
        ("narrow", {}, Rejected),
        ("second", {}, Rejected),
        ("empty", {"project": "sandbox-empty"}, Missing),
        ("revoked", {}, Rejected),
    ],
)
def test_what_the_account_may_not_see_is_not_read(kept, account, connection, fault):
    with closing(opened(kept, account, **connection)) as export, pytest.raises(fault):
        export.load_days(STANDARD, TODAY - DAY, TODAY)


def test_a_place_is_named_to_who_may_read_it(kept, export):
    days = export.load_days(STANDARD, TODAY - 2 * DAY, TODAY)
    place = export.place(STANDARD, days)

    assert place is not None
    assert (place.project, place.dataset, place.table) == (PROJECT, "billing_export", STANDARD)
    with closing(opened(kept, "narrow")) as other, pytest.raises(Rejected, match="dataViewer"):
        other.place(STANDARD, days)


def test_only_usage_exports_have_load_days_and_a_table_may_name_its_dataset(kept, export):
    assert export.load_days("cloud_pricing_export", TODAY - DAY, TODAY) == ()
    with closing(opened(kept, dataset="elsewhere")) as other:
        assert other.load_days(f"billing_export.{EURO}", TODAY - DAY, TODAY) == export.load_days(EURO, TODAY - DAY, TODAY)


def test_columns_come_when_google_added_them(tmp_path):
    clock, names = HeldClock(), {}
    with sandboxed(tmp_path / "sandbox", clock) as sandbox:
        for day in (date(2026, 6, 30), date(2026, 7, 1), date(2026, 9, 30), date(2026, 10, 1)):
            clock.at = HeldClock(day + DAY).at
            with closing(opened(sandbox)) as export:
                for table in (STANDARD, DETAILED):
                    (path,) = export.fetch(table, export.load_days(table, day, day), tmp_path, unread)
                    names[day.month, day.day, table] = [name for name in pq.read_schema(path).names if name != "load_day"]

    assert names[7, 1, STANDARD][-2:] == ["cost_at_list_consumption_model", "consumption_model"]
    assert names[7, 1, STANDARD][:-2] == names[6, 30, STANDARD]
    assert names[10, 1, STANDARD] == [*names[9, 30, STANDARD], "cost_at_list_future"]
    assert set(names[10, 1, DETAILED]) - set(names[10, 1, STANDARD]) == {"resource"}


def test_a_day_before_a_column_came_has_it_and_no_value_in_it(export, tmp_path):
    day = date(2026, 6, 30)
    (path,) = export.fetch(STANDARD, export.load_days(STANDARD, day, day), tmp_path, unread)

    assert {row["consumption_model"] for row in read([path])} == {None}
