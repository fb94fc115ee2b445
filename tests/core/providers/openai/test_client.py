"""Every day of a window once and whole, or a failure; money digit for digit."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from src.core.base.faults import StepFailed, Unavailable
from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.providers.http.buckets import DAY as DAY_SECONDS
from src.core.providers.http.buckets import parts
from src.core.providers.link import ProviderLink
from src.core.providers.openai.client import GroupingRefused, costs, usage
from src.core.providers.openai.reports import COSTS, USAGE
from src.sandbox.openai.provider import Openai
from tests.core.providers.openai.conftest import link_at
from tests.fakes.google import FakeGoogle
from tests.sandbox.conftest import TODAY
from tests.sandbox.openai.days import DAY, FIRST

KEY = Secret("sk-admin-Zq7RmB2xK9vLw4Ty")
WEEK = Window(date(2026, 11, 10), date(2026, 11, 16))


@pytest.fixture
def key(openai: Openai) -> Callable[[str], Secret]:
    return lambda name: Secret(openai.key(name))


@pytest.fixture
def scripted(google: FakeGoogle) -> Iterator[ProviderLink]:
    with link_at(google.address) as link:
        yield link


def bucket(day: int, *results: dict[str, Any]) -> dict[str, Any]:
    return {"object": "bucket", "start_time": FIRST + day * DAY, "end_time": FIRST + (day + 1) * DAY, "results": list(results)}


def pages(*told: tuple[list[Any], bool, str | None]) -> Callable[[str], tuple[int, Any, dict[str, str]]]:
    """The page whose number is asked for."""

    def answer(path: str) -> tuple[int, Any, dict[str, str]]:
        data, more, following = told[int(parse_qs(urlsplit(path).query).get("page", ["0"])[0])]
        return 200, {"object": "page", "data": data, "has_more": more, "next_page": following}, {}

    return answer


def told(link: ProviderLink, **how: int) -> list[tuple[date, list[Any]]]:
    return list(costs(link, KEY, "project_id", "line_item").days(WEEK, **how))


@pytest.mark.parametrize("name", list(USAGE))
def test_every_report_tells_every_day_of_a_window_cut_to_pages(link: ProviderLink, key: Callable[[str], Secret], name: str):
    window = Window(date(2026, 9, 25), date(2026, 11, 10))

    days = list(usage(link, key("demo"), USAGE[name]).days(window))

    assert [day for day, _ in days] == list(window)
    assert any(rows for _, rows in days)
    assert all(getattr(row, measure) > 0 for _, rows in days for row in rows for measure in USAGE[name].needed)
    in_fives = usage(link, key("demo"), USAGE[name]).pages(window, size=5)
    assert [rows for _, rows in days] == [rows for page in in_fives for _, rows in page]


def test_the_days_to_come_are_not_asked_for(link: ProviderLink, key: Callable[[str], Secret]):
    def asked(first: date) -> list[date]:
        return [day for day, _ in costs(link, key("demo")).days(Window(first, TODAY + timedelta(9)))]

    assert asked(TODAY - timedelta(1)) == [TODAY - timedelta(1), TODAY]
    assert asked(TODAY + timedelta(1)) == []


def test_costs_are_the_same_whichever_way_they_are_asked_for(link: ProviderLink, key: Callable[[str], Secret]):
    def total(*groups: str) -> Decimal:
        return sum((row.amount.value for _, rows in costs(link, key("demo"), *groups).days(WEEK) for row in rows), Decimal(0))

    by_all = ("project_id", "line_item", "api_key_id", "user_id", "api_source")
    assert total() == total("line_item") == total(*by_all) > 0
    assert {row.amount.currency for _, rows in costs(link, key("demo")).days(WEEK) for row in rows} == {"usd"}


@pytest.mark.parametrize(
    ("name", "window"),
    [("coarse", WEEK), ("demo", Window(date(2025, 12, 5), date(2025, 12, 7)))],
    ids=["of this organisation", "of this range"],
)
def test_costs_that_are_not_told_by_key_are_told_apart_from_other_failures(
    link: ProviderLink, key: Callable[[str], Secret], name: str, window: Window
):
    with pytest.raises(GroupingRefused, match="Costs by 'api_key_id' are"):
        list(costs(link, key(name), "project_id", "api_key_id").days(window))
    assert len(list(costs(link, key(name), "project_id", "line_item").days(window))) == len(window)


def test_a_refusal_of_anything_else_is_none_of_the_grouping(scripted: ProviderLink, google: FakeGoogle):
    google.fail = lambda _path: (400, {"error": {"message": "Invalid limit provided: 999."}}, {})

    with pytest.raises(StepFailed, match="Invalid limit provided") as caught:
        told(scripted)

    assert type(caught.value) is StepFailed


def test_more_announced_and_not_named_is_no_harm_where_all_is_there(link: ProviderLink, key: Callable[[str], Secret]):
    assert len(list(costs(link, key("endless")).days(WEEK))) == len(WEEK)


@pytest.mark.parametrize(
    ("name", "why"), [("cut", "tells of no day from 2026-11-13 on"), ("circling", "2026-11-10 00:00 out of turn .* a page came twice")]
)
def test_a_list_that_ends_early_or_goes_round_is_no_cheap_week(link: ProviderLink, key: Callable[[str], Secret], name: str, why: str):
    with pytest.raises(StepFailed, match=why):
        list(costs(link, key(name)).days(WEEK))


COST = {"amount": {"value": "0.5", "currency": "usd"}}
WHOLE = [bucket(day) for day in range(7)]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (pages(([], False, None)), "tells of no day from 2026-11-10 on .* see that this machine's clock is right"),
        (pages((WHOLE[:6], False, None)), "no day from 2026-11-16 on"),
        (pages((WHOLE[:6], True, None)), "no day from 2026-11-16 on"),
        (pages((WHOLE[1:], False, None)), "tells of 2026-11-11 00:00 out of turn"),
        (pages(([*WHOLE[:3], *WHOLE[4:]], False, None)), "tells of 2026-11-14 00:00 out of turn"),
        (pages(([WHOLE[0], *WHOLE], False, None)), "tells of 2026-11-10 00:00 out of turn"),
        (pages((WHOLE[:3], True, "1"), (WHOLE[2:], False, None)), "tells of 2026-11-12 00:00 out of turn"),
        (pages((WHOLE[:3], True, "1"), ([], True, "1")), "a page that was read already"),
        (pages(([{**WHOLE[0], "start_time": FIRST + 3600}, *WHOLE[1:]], False, None)), "tells of 2026-11-10 01:00 out of turn"),
        (pages(([*WHOLE, bucket(7)], False, None)), "tells of 2026-11-17 00:00 out of turn"),
        (pages(([{**WHOLE[0], "start_time": 10**18}], False, None)), "not of the shape .*data.0.start_time"),
        (pages(([{"start_time": FIRST}], False, None)), "not of the shape .*data.0.results"),
        (pages(([bucket(0, {"amount": {"value": "much", "currency": "usd"}})], False, None)), "not of the shape .*amount.value"),
        (pages(([bucket(0, {"amount": {"value": "NaN", "currency": "usd"}})], False, None)), "not of the shape .*results.0.amount"),
        (pages(([bucket(0, {"amount": {"value": "1e20", "currency": "usd"}})], False, None)), "not of the shape .*results.0.amount"),
        (pages(([bucket(0, {"amount": {"value": 1, "currency": "$"}})], False, None)), "not of the shape .*amount.currency"),
        (pages(([bucket(0, COST | {"quantity": "-inf"})], False, None)), "not of the shape .*data.0.results.0"),
        (pages(([{"start_time": FIRST, "results": None}], False, None)), "not of the shape .*data.0.results"),
        (pages(([bucket(0, {"line_item": "no money"})], False, None)), "not of the shape .*amount"),
    ],
)
def test_what_is_not_the_week_that_was_asked_for_fails(scripted: ProviderLink, google: FakeGoogle, answer: Any, why: str):
    google.fail = answer

    with pytest.raises(StepFailed, match=why):
        told(scripted)


def test_an_answer_of_another_kind_is_none(scripted: ProviderLink, google: FakeGoogle):
    google.fail = lambda _path: (200, b"<html>", {})

    with pytest.raises(Unavailable, match="is no JSON"):
        told(scripted)


def test_money_is_read_as_it_was_written(scripted: ProviderLink, google: FakeGoogle):
    values = b'"0.80000000"', b"8.0e-02", b"123456789012.123456789012", b"-12.34", b'"1.2e-05"', b"7"
    lines = b",".join(b'{"amount":{"value":%s,"currency":"usd"},"quantity":0.5}' % value for value in values)
    google.fail = lambda _path: (200, b'{"data":[{"start_time":%d,"results":[%s]}]}' % (FIRST, lines), {})

    ((_, rows),) = costs(scripted, KEY).days(Window.day(WEEK.start))

    assert [row.amount.value for row in rows] == [
        Decimal(text) for text in ("0.8", "0.08", "123456789012.123456789012", "-12.34", "0.000012", "7")
    ]
    assert {row.quantity for row in rows} == {Decimal("0.5")}


def test_lists_are_asked_for_with_brackets_and_pages_with_the_same_question(scripted: ProviderLink, google: FakeGoogle):
    google.fail = pages((WHOLE[:3], True, "1"), (WHOLE[3:], False, None))

    assert told(scripted) == [(day, []) for day in WEEK]
    question = (
        f"GET /v1/organization/costs?start_time={FIRST}&end_time={FIRST + 7 * DAY}&limit=7&bucket_width=1d"
        "&group_by%5B%5D=project_id&group_by%5B%5D=line_item"
    )
    assert google.asked == [question, f"{question}&page=1"]

    google.asked.clear()
    google.fail = pages((WHOLE[:2], False, None))
    list(costs(scripted, KEY).days(Window(WEEK.start, date(2026, 11, 11))))
    assert "group_by" not in google.asked[0]


def test_a_window_is_cut_into_parts_without_a_gap():
    window = Window(date(2026, 1, 1), date(2026, 12, 31))
    for most in (1, 31, COSTS.most[DAY_SECONDS], 365, 400):
        cut = list(parts(window, most))
        assert [day for part in cut for day in part] == list(window)
        assert max(len(part) for part in cut) <= most
