"""What is told of each day: all reports side by side and patiently, days of two prices by the hour, costs in one way a day."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from src.core.base.faults import StepFailed, Throttled, Timeout, Unavailable
from src.core.base.schema import TableSchema
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.base.window import Window
from src.core.providers.http import buckets, reports
from src.core.providers.http.buckets import DAY, HOUR, MINUTE, widths
from src.core.providers.http.pace import MOST_TRIES, Pace, PaceFacts
from src.core.providers.link import ProviderLink, linked
from src.core.providers.openai.client import usage
from src.core.providers.openai.days import BY_KEY, COARSE, KEYS_SINCE, Piece, cost_days, usage_days
from src.core.providers.openai.reports import MEASURES, USAGE
from src.core.step.source.by_day import days_asked
from src.sandbox.openai.provider import Openai
from tests.core.providers.http.test_pace import Moved
from tests.core.providers.http.test_side_by_side import reading
from tests.core.providers.linked import OnClock
from tests.core.providers.openai.conftest import link_at
from tests.fakes.google import Fail, FakeGoogle
from tests.sandbox.conftest import TODAY, HeldClock, sandboxed
from tests.sandbox.openai.days import FIRST

SCHEMAS = Path(__file__).resolve().parents[4] / "configs/openai/schemas"
KEY = Secret("sk-admin-Zq7RmB2xK9vLw4Ty")
MONDAY, WEEK = date(2026, 11, 10), Window(date(2026, 11, 10), date(2026, 11, 16))
ALONE = Window.day(MONDAY)
Row = dict[str, Any]


@pytest.fixture
def key(openai: Openai) -> Callable[[str], Secret]:
    return lambda name: Secret(openai.key(name))


@pytest.fixture
def moved() -> Moved:
    return Moved()


@pytest.fixture
def scripted(google: FakeGoogle, moved: Moved) -> Iterator[ProviderLink]:
    with link_at(google.address) as link:
        yield replace(link, pace=Pace(PaceFacts(1, 20, 4), now=moved.now, rest=moved.rest))


def rows_of(pieces: Iterator[Piece]) -> list[Row]:
    found: list[Row] = []
    for day, piece in pieces:
        rows = [{**piece.same, **{name: values[at] for name, values in piece.of.items()}} for at in range(piece.rows)]
        assert {row["usage_date"] for row in rows} == {day}
        found += rows
    return found


def summed(rows: list[Row]) -> Counter[tuple[str, date, str]]:
    totals: Counter[tuple[str, date, str]] = Counter()
    for row in rows:
        totals.update({(row["endpoint"], row["usage_date"], name): row.get(name) or 0 for name in MEASURES if row.get(name)})
    return totals


def test_every_report_is_told_the_oldest_day_first_and_comes_to_what_it_does_ungrouped(link: ProviderLink, key: Callable[[str], Secret]):
    rows = rows_of(usage_days(link, key("demo"), WEEK, {}))

    assert [day for day, _ in groupby(rows, lambda row: row["usage_date"])] == list(WEEK)
    assert {row["endpoint"] for row in rows} == USAGE.keys()
    assert {row["bucket_seconds"] for row in rows} == {DAY}
    ungrouped = [
        {"endpoint": name, "usage_date": day, **{measure: getattr(row, measure) for measure in report.measures}}
        for name, report in USAGE.items()
        for day, told in replace(usage(link, key("demo"), report), groups=()).days(WEEK)
        for row in told
    ]
    assert summed(rows) == summed(ungrouped)
    names = {name for row in rows for name in row}
    assert names < {*TableSchema.load(SCHEMAS / "openai_usage_daily_raw.json").columns}
    assert not reading()


@pytest.mark.parametrize(("at", "seconds"), [("13:00:00", HOUR), ("00:30:00", MINUTE), ("13:00:30", MINUTE)])
def test_a_day_within_which_a_price_turns_is_told_in_buckets_of_one_price(
    link: ProviderLink, key: Callable[[str], Secret], at: str, seconds: int
):
    turn = datetime.fromisoformat(f"2026-11-12T{at}+00:00")
    window = Window(date(2026, 11, 11), date(2026, 11, 13))

    rows = rows_of(usage_days(link, key("demo"), window, widths(iter([turn]))))

    assert {(row["usage_date"].day, row["bucket_seconds"]) for row in rows} == {(11, DAY), (12, seconds), (13, DAY)}
    within = [row for row in rows if row["usage_date"].day == 12]
    assert len({row["bucket_start"] for row in within}) > 3
    assert all(row["bucket_start"].timestamp() % seconds == 0 for row in within)
    assert summed(rows) == summed(rows_of(usage_days(link, key("demo"), window, {})))


def test_of_a_day_that_runs_the_hours_to_come_are_not_needed(link: ProviderLink, key: Callable[[str], Secret]):
    def told(length: dict[date, int]) -> list[Row]:
        return rows_of(usage_days(link, key("demo"), Window.day(TODAY), length))

    assert summed(told({TODAY: HOUR})) == summed(told({}))
    assert told({})


def test_a_price_that_turns_at_midnight_leaves_its_day_whole():
    def moments(*texts: str) -> Iterator[datetime]:
        return map(datetime.fromisoformat, texts)

    assert widths(moments("2026-11-12T00:00:00+00:00", "2026-11-13T02:00:00+02:00")) == {}
    assert widths(moments("2026-11-12T00:00:00+02:00")) == {date(2026, 11, 11): HOUR}
    assert widths(moments("2026-11-12T09:00:00+00:00", "2026-11-12T09:07:00+00:00")) == {date(2026, 11, 12): MINUTE}


def page(results: list[Row] | None, word: str = "results", start: int = FIRST) -> bytes:
    bucket = {"object": "bucket", "start_time": start, "end_time": start + DAY, **({} if results is None else {word: results})}
    return json.dumps({"object": "page", "data": [bucket], "has_more": False, "next_page": None}).encode()


def only(name: str, answer: Callable[[str], Fail]) -> Callable[[str], Fail]:
    """This report answers so, the others know of no use."""

    def told(path: str) -> Fail:
        return answer(path) if urlsplit(path).path.endswith(f"/{name}") else (200, page([]), {})

    return told


USED = {"object": "organization.usage.completions.result", "input_tokens": 10, "output_tokens": 2, "num_model_requests": 1, "model": "m"}


def test_what_this_release_does_not_know_is_kept_where_it_is_a_number(scripted: ProviderLink, google: FakeGoogle):
    novel = {"reasoning_tokens": 7, "nothing": 0, "flag": True, "mode": "fast", "detail": {"tiles": 2, "note": "x"}, "share": 0.125}
    rows = [USED | novel | {"images": 3, "input_tokens": 10.0, "size": "big"}, USED | {"model": "n"}]
    google.fail = only("completions", lambda _path: (200, page(rows), {}))

    first, second = rows_of(usage_days(scripted, KEY, ALONE, {}))

    assert json.loads(first["other_measures"]) == {"reasoning_tokens": 7, "detail.tiles": 2, "share": 0.125}
    assert (first["images"], first["input_tokens"], first["endpoint"], second["model"]) == (3, 10, "completions", "n")
    assert (second["other_measures"], second["images"], "size" in first) == (None, None, False)


def test_old_answers_call_results_result(scripted: ProviderLink, google: FakeGoogle):
    google.fail = only("completions", lambda _path: (200, page([USED], "result"), {}))

    assert [row["output_tokens"] for row in rows_of(usage_days(scripted, KEY, ALONE, {}))] == [2]


@pytest.mark.parametrize(
    ("answer", "fault", "told"),
    [
        ((200, page(None), {}), StepFailed, "usage/embeddings is not of the shape .*data.0.results"),
        ((200, page([{"input_tokens": -1}]), {}), StepFailed, "usage/embeddings is not of the shape .*results.0.input_tokens"),
        ((200, page([{"input_tokens": 1.5}]), {}), StepFailed, "usage/embeddings is not of the shape .*results.0.input_tokens"),
        ((200, page([{"input_tokens": 2**63}]), {}), StepFailed, "usage/embeddings is not of the shape .*results.0.input_tokens"),
        ((200, page([{"input_tokens": None}]), {}), StepFailed, "usage/embeddings is not of the shape .*results.0.input_tokens"),
        ((200, page([{"num_model_requests": 1}]), {}), StepFailed, "usage/embeddings is not of the shape .*results.0.input_tokens"),
        ((200, page([{"input_tokens": 1, "model": 5}]), {}), StepFailed, "usage/embeddings is not of the shape .*results.0.model"),
        ((200, page([{"input_tokens": 1e400}]).replace(b"Infinity", b"1e400"), {}), StepFailed, "embeddings is not of the shape"),
        ((200, b"[]", {}), StepFailed, "usage/embeddings is not of the shape .*its root"),
        ((200, page([], start=FIRST + DAY), {}), StepFailed, "2026-11-11 00:00 out of turn in v1/organization/usage/embeddings"),
        ((200, page([]), {"Content-Type": "text/html"}), Unavailable, "usage/embeddings is no JSON"),
        ((200, page([])[:40], {}), Unavailable, "usage/embeddings is no JSON"),
        ((500, {"error": {"message": "The server had an error"}}, {}), Unavailable, "500 to v1/organization/usage/embeddings"),
    ],
)
def test_what_is_wrong_with_one_report_is_told_by_its_name_and_ends_all(
    scripted: ProviderLink, google: FakeGoogle, answer: Fail, fault: type[Exception], told: str
):
    google.fail = only("embeddings", lambda _path: answer)

    with pytest.raises(fault, match=told) as caught:
        list(usage_days(scripted, KEY, ALONE, {}))

    assert type(caught.value) is fault
    assert not reading()


def test_who_is_asked_for_patience_holds_all_and_then_goes_on(scripted: ProviderLink, google: FakeGoogle, moved: Moved):
    refusals: Iterator[Fail] = iter([(429, {}, {"Retry-After": "20"})])
    google.fail = only("embeddings", lambda _path: next(refusals, (200, page([{"input_tokens": 4}]), {})))

    rows = rows_of(usage_days(scripted, KEY, ALONE, {}))

    assert ([row["input_tokens"] for row in rows], len(google.asked)) == ([4], len(USAGE) + 1)
    assert moved.at >= 20

    google.asked.clear()
    google.fail = only("embeddings", lambda _path: (429, {"error": {"message": "Slow down"}}, {"Retry-After": "30"}))
    with pytest.raises(Throttled, match="Slow down") as caught:
        list(usage_days(scripted, KEY, ALONE, {}))
    assert caught.value.retry_after == 30
    assert sum("embeddings" in path for path in google.asked) == MOST_TRIES
    assert not reading()


def test_a_run_that_is_given_up_asks_nothing_more(google: FakeGoogle):
    given_up = threading.Event()

    def answer(_path: str) -> Fail:
        given_up.set()
        return 429, {}, {"Retry-After": "50"}

    google.fail = answer
    settings = Settings(_env_file=None, sandbox=True).asking_at({"openai.api": google.address})
    with linked(OnClock(settings), "openai", given_up) as link, pytest.raises(Timeout):
        list(usage_days(link, KEY, ALONE, {}))
    assert len(google.asked) <= link.pace.facts.at_once
    assert not reading()


def test_a_page_that_is_too_large_is_asked_for_with_fewer_days(
    link: ProviderLink, key: Callable[[str], Secret], monkeypatch: pytest.MonkeyPatch
):
    month = Window(date(2026, 10, 1), date(2026, 11, 10))
    whole = list(usage(link, key("demo"), USAGE["completions"]).days(month))
    monkeypatch.setattr(reports, "PAGE_BYTES", 60_000)

    pages = list(usage(link, key("demo"), USAGE["completions"]).pages(month))

    assert [rows for told in pages for _, rows in told] == [rows for _, rows in whole]
    assert 1 < max(len(told) for told in pages) < 31

    monkeypatch.setattr(reports, "PAGE_BYTES", 10)
    monkeypatch.setattr(buckets, "BUCKET_BYTES", 20)
    with pytest.raises(StepFailed, match="one bucket alone of v1/organization/usage/completions is too large"):
        list(usage(link, key("demo"), USAGE["completions"]).days(month))


@contextmanager
def on_another_day(folder: Path, name: str, days_later: int) -> Iterator[tuple[ProviderLink, Secret, date]]:
    clock = HeldClock(TODAY + timedelta(days_later))
    with sandboxed(folder / f"sandbox{name}{days_later}", clock) as sandbox:
        settings = Settings(_env_file=None, sandbox=True).asking_at({"openai.api": sandbox.endpoints["openai.api"]})
        provider = sandbox.providers["openai"]
        assert isinstance(provider, Openai)
        asker = OnClock(settings)
        asker.clock = clock
        with linked(asker, "openai") as link:
            yield link, Secret(provider.key(name)), clock.now().date()


def versions(folder: Path, name: str, days_later: int, window: Window) -> dict[str, str]:
    columns = TableSchema.load(SCHEMAS / "openai_usage_daily_raw.json").fields[2:]
    with on_another_day(folder, name, days_later) as (link, key, today):
        ask = {"usage": (columns, lambda asked: usage_days(link, key, asked, {}))}
        with days_asked(folder / "io", f"run{days_later}", ask, today) as (source,):
            return {one.key: one.version for one in source.slices(window, window).slices}


def test_a_day_that_is_told_as_before_has_its_version_and_a_restated_one_another(tmp_path: Path):
    window = Window(TODAY - timedelta(7), TODAY - timedelta(1))
    first, second = versions(tmp_path, "restated", 0, window), versions(tmp_path, "restated", 1, window)

    changed = {day for day in first if first[day] != second[day]}
    assert len(first) == len(second) == 7
    assert changed
    assert changed <= {str(TODAY - timedelta(days)) for days in (1, 2, 3)}
    assert versions(tmp_path, "demo", 0, window) == versions(tmp_path, "demo", 1, window)


def total(rows: list[Row]) -> Decimal:
    return sum((row["amount"] for row in rows), Decimal(0))


def test_costs_are_asked_by_key_where_that_is_told_and_each_day_in_one_way(link: ProviderLink, key: Callable[[str], Secret]):
    window = Window(KEYS_SINCE - timedelta(2), KEYS_SINCE + timedelta(1))

    rows = rows_of(cost_days(link, key("demo"), window, None))
    coarse = rows_of(cost_days(link, key("demo"), window, link.clock.now().date()))

    ways = {(row["usage_date"], row["grouped_by"], row["refused_on"]) for row in rows}
    assert ways == {(day, ",".join(BY_KEY if day >= KEYS_SINCE else COARSE), None) for day in window}
    assert any(row["api_key_id"] for row in rows)
    assert (total(rows), {row["currency"] for row in rows}) == (total(coarse), {"USD"})
    assert {row["grouped_by"] for row in coarse} == {",".join(COARSE)}
    assert {*rows[0]} < {*TableSchema.load(SCHEMAS / "openai_costs_daily_raw.json").columns}


def cost_page(path: str, refuses_from: int) -> Fail:
    """Three days a page; what begins at `refuses_from` or later is refused by key."""
    asked = parse_qs(urlsplit(path).query)
    start, end = int(asked.get("page", asked["start_time"])[0]), int(asked["end_time"][0])
    if "api_key_id" in asked["group_by[]"] and start >= refuses_from:
        return 400, {"error": {"message": "Costs by 'api_key_id' are not available for this organization."}}, {}
    told = range(start, end, DAY)[:3]
    line = {"amount": {"value": "0.5", "currency": "usd"}, "line_item": "m, input"}
    data = [{"start_time": one, "results": [line]} for one in told]
    return 200, {"data": data, "has_more": told.stop < end, "next_page": str(told.stop)}, {}


def test_where_costs_by_key_are_refused_what_was_told_stays_and_the_rest_is_asked_coarsely(scripted: ProviderLink, google: FakeGoogle):
    google.fail = lambda path: cost_page(path, FIRST + 3 * DAY)

    rows = rows_of(cost_days(scripted, KEY, WEEK, None))

    assert [row["usage_date"] for row in rows] == list(WEEK)
    assert [row["grouped_by"] for row in rows] == [",".join(BY_KEY)] * 3 + [",".join(COARSE)] * 4
    assert [row["refused_on"] for row in rows] == [None] * 3 + [TODAY] * 4


@pytest.mark.parametrize(("ago", "asks"), [(0, False), (29, False), (30, True), (400, True)])
def test_a_refusal_is_remembered_for_a_month(scripted: ProviderLink, google: FakeGoogle, ago: int, asks: bool):
    google.fail = lambda path: cost_page(path, 0)

    rows = rows_of(cost_days(scripted, KEY, ALONE, TODAY - timedelta(ago)))

    assert any("api_key_id" in path for path in google.asked) == asks
    assert [row["refused_on"] for row in rows] == [TODAY if asks else TODAY - timedelta(ago)]


def test_amounts_are_kept_to_eighteen_decimals(scripted: ProviderLink, google: FakeGoogle):
    values = '"12345678901234567890.123456789012345678"', "0.1000000000000000055511151231257827", "-1.2e-05", "1e-30"
    lines = ",".join(f'{{"amount":{{"value":{value},"currency":"eur"}},"quantity":"7"}}' for value in values)
    google.fail = lambda _path: (200, b'{"data":[{"start_time":%d,"results":[%s]}]}' % (FIRST, lines.encode()), {})

    rows = rows_of(cost_days(scripted, KEY, ALONE, None))

    assert [row["amount"] for row in rows] == [
        Decimal(text) for text in ("12345678901234567890.123456789012345678", "0.100000000000000006", "-0.000012", "0")
    ]
    assert {(row["currency"], row["quantity"]) for row in rows} == {("EUR", Decimal(7))}


def test_an_item_is_told_on_one_line(scripted: ProviderLink, google: FakeGoogle):
    line = {"amount": {"value": "1", "currency": "usd"}}
    told = [{**line, "line_item": "m\nx, input"}, {**line, "line_item": "x, input"}, {**line, "line_item": None}]
    google.fail = lambda _path: (200, {"data": [{"start_time": FIRST, "results": told}]}, {})

    assert [row["line_item"] for row in rows_of(cost_days(scripted, KEY, ALONE, None))] == ["m x, input", "x, input", None]
