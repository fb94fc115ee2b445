"""What is told of each day: the same by either generation of reports, cents as cents, and all of it or a failure."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from src.core.base.faults import CredentialRefused, Fault, Rejected, StepFailed, Throttled, Unavailable
from src.core.base.schema import TableSchema
from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.providers.anthropic.days import DaysOfReports, Piece, days_of
from src.core.providers.anthropic.reports import SEATS, Api
from src.core.providers.http.buckets import DAY, HOUR
from src.core.providers.http.pace import Pace, PaceFacts
from src.core.providers.link import ProviderLink
from src.sandbox.anthropic.organizations import ORGANIZATIONS
from tests.core.providers.http.test_pace import Moved
from tests.fakes.google import Fail, FakeGoogle
from tests.sandbox.conftest import TODAY

SCHEMAS = Path(__file__).resolve().parents[4] / "configs/anthropic/schemas"
KEY = Secret("sk-ant-admin01-Zq7RmB2xK9vLw4Ty")
TUESDAY, WEEK = date(2026, 11, 10), Window(date(2026, 11, 10), date(2026, 11, 16))
ALONE = Window.day(TUESDAY)
STARTS = "2026-11-10T00:00:00Z"
KeyOf = Callable[[str], Secret]
Row = dict[str, Any]
TOKENS = ("uncached_input_tokens", "cache_read_input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens")
MEASURED = (*TOKENS, "web_search_requests")


def rows_of(pieces: Iterable[Piece]) -> list[Row]:
    found: list[Row] = []
    for day, piece in pieces:
        rows = [{**piece.same, **{name: values[at] for name, values in piece.of.items()}} for at in range(piece.rows)]
        assert {row["usage_date"] for row in rows} == {day}
        found += rows
    return found


def summed(rows: Iterable[Row], measures: Iterable[str], *by: str) -> dict[tuple[Any, ...], Decimal]:
    totals: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        place = tuple(row[name] or "" for name in by)
        totals.update({(*place, name): row[name] for name in measures if row[name]})
    return {place: Decimal(value) for place, value in totals.items()}


def columns(table: str) -> set[str]:
    return {*TableSchema.load(SCHEMAS / f"anthropic_{table}_daily_raw.json").columns}


@pytest.fixture
def told(link: ProviderLink, key: KeyOf) -> Callable[..., DaysOfReports]:
    return lambda api, name="demo", children=False: days_of(link, key(name), api, children=children)


def test_both_generations_tell_the_same_use(told: Callable[..., DaysOfReports]):
    reports, analytics = (rows_of(told(api).usage(WEEK, {})) for api in ("reports", "analytics"))

    by = ("usage_date", "workspace_id", "api_key_id", "model", "service_tier")
    assert summed(reports, MEASURED, *by) == summed(analytics, MEASURED, *by)
    charged = ("usage_date", "model", "service_tier")
    for name, value in (("speed", "fast"), ("inference_geo", "us"), ("context_window", "200k-1M")):
        some = [[row for row in rows if row[name] == value] for rows in (reports, analytics)]
        assert summed(some[0], MEASURED, *charged) == summed(some[1], MEASURED, *charged) != {}
    assert {row["told_by"] for row in reports} | {row["told_by"] for row in analytics} == {"reports", "analytics"}
    for rows in (reports, analytics):
        assert list(dict.fromkeys(row["usage_date"] for row in rows)) == list(WEEK)
        assert {*rows[0]} < columns("usage")
        assert {row["other_measures"] for row in rows} == {None}
    # the default workspace, the Workbench, and a key that is on no list
    assert {None} < {row["workspace_id"] for row in reports}
    assert {None} < {row["api_key_id"] for row in reports}
    assert sum(row["requests"] for row in analytics) > 0 == sum(row["requests"] for row in reports)


def test_both_generations_tell_the_same_costs(told: Callable[..., DaysOfReports]):
    reports, analytics = (rows_of(told(api).costs(WEEK)) for api in ("reports", "analytics"))

    by = ("usage_date", "workspace_id", "cost_type", "token_type")
    assert summed(reports, ["amount"], *by) == summed(analytics, ["amount"], *by) != {}
    assert {row["currency"] for row in (*reports, *analytics)} == {"USD"}
    assert {None} < {row["api_key_id"] for row in analytics}
    for rows in (reports, analytics):
        assert {*rows[0]} < columns("costs")


def test_what_is_no_use_of_the_api_stands_apart(told: Callable[..., DaysOfReports]):
    code = rows_of(told("reports").seats(WEEK))
    seats = rows_of(told("analytics").seats(WEEK))

    assert {row["product"] for row in code} == {"claude_code"}
    assert {row["product"] for row in rows_of(told("analytics", "enterprise").seats(WEEK))} >= {"claude_code", "chat"}
    assert {row["actor"] for row in code if row["actor_type"] == "user_actor"} == {None}
    assert sum(row["num_sessions"] or 0 for row in code) > 0
    estimates = [sum(row.get("estimated_cost") or 0 for row in rows) for rows in (code, seats)]
    # the report of Claude Code rounds each to the cent
    assert abs(estimates[0] - estimates[1]) < Decimal("0.01") * len(code)
    assert min(estimates) > 1
    assert {*code[0]} | {*seats[0]} < columns("claude_code")
    for row in rows_of(told("analytics").usage(WEEK, {})):
        assert row["product"] != "claude_code"
    of_the_api = told("analytics", "enterprise")
    products = {row["product"] for row in rows_of(of_the_api.usage(WEEK, {})) + rows_of(of_the_api.costs(WEEK))}
    assert products
    assert not products & SEATS


def test_claude_code_is_not_told_where_it_is_not_offered_and_anything_else_is_a_failure(
    told: Callable[..., DaysOfReports], scripted: ProviderLink, google: FakeGoogle
):
    assert [told("reports", name).tells_seats(TUESDAY) for name in ("demo", "enterprise")] == [True, False]
    assert told("analytics", "enterprise").tells_seats(TUESDAY)

    answering(google, (500, {"error": {"message": "Internal server error"}}, {}))
    days = days_of(scripted, KEY, "reports", children=False)
    for ask in (lambda: days.tells_seats(TUESDAY), lambda: list(days.seats(ALONE))):
        with pytest.raises(Unavailable):
            ask()


def test_children_stand_in_their_parent_s_costs_unless_they_are_left_out(told: Callable[..., DaysOfReports]):
    rows = rows_of(told("analytics", "parent", children=True).costs(WEEK))

    found = {row["organization_id"] for row in rows}
    assert ORGANIZATIONS["north"].id in found
    assert ORGANIZATIONS["clinic"].id not in found


@pytest.mark.parametrize("api", ["reports", "analytics"])
def test_a_day_of_two_prices_is_told_by_the_hour_and_today_as_far_as_it_went(told: Callable[..., DaysOfReports], api: Api):
    rows = rows_of(told(api).usage(WEEK, {TUESDAY: HOUR}))

    assert {(row["usage_date"] == TUESDAY, row["bucket_seconds"]) for row in rows} == {(True, HOUR), (False, DAY)}
    assert summed(rows, MEASURED, "usage_date") == summed(rows_of(told(api).usage(WEEK, {})), MEASURED, "usage_date")
    [until] = {row["told_until"] for row in rows_of(told(api).usage(Window.day(TODAY), {}))}
    assert until == (None if api == "reports" else datetime(2026, 11, 21, 9, 23, tzinfo=UTC))
    [settled] = {row["told_until"] for row in rows_of(told(api).usage(ALONE, {}))}
    assert settled == (None if api == "reports" else datetime(2026, 11, 11, tzinfo=UTC))


@pytest.mark.parametrize("api", ["reports", "analytics"])
@pytest.mark.parametrize(
    ("name", "why"), [("cut", "tells of no day from|does not name them|name none"), ("circling", "out of turn|was read already")]
)
def test_a_list_that_ends_early_or_goes_round_is_no_cheap_week(told: Callable[..., DaysOfReports], api: Api, name: str, why: str):
    with pytest.raises(StepFailed, match=why):
        list(told(api, name).usage(Window(WEEK.start - timedelta(30), WEEK.end), {}))


USED: Row = {
    "uncached_input_tokens": 410_000,
    "cache_creation": {"ephemeral_1h_input_tokens": 10_000, "ephemeral_5m_input_tokens": 60_000},
    "cache_read_input_tokens": 900_000,
    "output_tokens": 88_000,
    "server_tool_use": {"web_search_requests": 12},
    "model": "claude-sonnet-5-5",
}
PAID: Row = {"amount": "82.0000", "currency": "USD"}


def bucket(*rows: Row, start: str = STARTS) -> Fail:
    data = [{"starting_at": start, "ending_at": "2026-11-11T00:00:00Z", "results": list(rows)}]
    return 200, {"data": data, "has_more": False, "next_page": None}, {}


def answering(google: FakeGoogle, answer: Fail | Callable[[str], Fail]) -> None:
    google.fail = answer if callable(answer) else lambda _path: answer


def test_the_cache_stands_beside_the_input_and_both_its_lifetimes_are_read(scripted: ProviderLink, google: FakeGoogle):
    answering(google, bucket(USED))

    [row] = rows_of(days_of(scripted, KEY, "reports", children=False).usage(ALONE, {}))

    assert [row[name] for name in MEASURED] == [410_000, 900_000, 60_000, 10_000, 88_000, 12]
    [asked] = google.asked
    question = parse_qs(urlsplit(asked).query)
    assert len(question["group_by[]"]) == 9
    assert (question["starting_at"], question["ending_at"], question["bucket_width"]) == ([STARTS], ["2026-11-11T00:00:00Z"], ["1d"])


def test_amounts_are_cents_digit_for_digit(scripted: ProviderLink, google: FakeGoogle):
    amounts = ("123.45", "82.0000", "0.000001", "-12", "12345678901234567.8")
    answering(google, bucket(*({**PAID, "amount": one} for one in amounts)))

    rows = rows_of(days_of(scripted, KEY, "reports", children=False).costs(ALONE))

    told = ("1.2345", "0.82", "0.00000001", "-0.12", "123456789012345.678")
    assert [row["amount"] for row in rows] == [Decimal(one) for one in told]

    as_number = b'{"data":[{"starting_at":"%s","results":[{"amount":123.456789012345678901,"currency":"usd"}]}]}' % STARTS.encode()
    answering(google, (200, as_number, {}))
    [row] = rows_of(days_of(scripted, KEY, "reports", children=False).costs(ALONE))
    assert (row["amount"], row["currency"]) == (Decimal("1.234567890123456789"), "USD")


def test_what_this_release_does_not_know_is_kept_where_it_is_a_number(scripted: ProviderLink, google: FakeGoogle):
    writes = {**USED["cache_creation"], "ephemeral_24h_input_tokens": 5}
    answering(google, bucket({**USED, "cache_creation": writes, "cache_creation_input_tokens": 7, "note": "x", "flag": True}))

    [row] = rows_of(days_of(scripted, KEY, "reports", children=False).usage(ALONE, {}))

    assert json.loads(row["other_measures"]) == {"cache_creation.ephemeral_24h_input_tokens": 5, "cache_creation_input_tokens": 7}


@pytest.mark.parametrize(
    ("answer", "fault", "told"),
    [
        (bucket({**USED, "output_tokens": -1}), StepFailed, r"not of the shape .*data.0.results.0.output_tokens"),
        (bucket({**USED, "output_tokens": 1.5}), StepFailed, r"not of the shape .*data.0.results.0.output_tokens"),
        (bucket({**USED, "cache_creation": None}), StepFailed, r"not of the shape .*data.0.results.0.cache_creation"),
        (bucket({name: value for name, value in USED.items() if name != "cache_creation"}), StepFailed, "results.0.cache_creation"),
        (bucket({**USED, "model": 5}), StepFailed, r"not of the shape .*results.0.model"),
        (bucket(USED, USED), StepFailed, "tells a row of 2026-11-10 00:00 twice in v1/organizations/usage_report/messages"),
        (bucket(start="2026-11-10T00:00:00"), StepFailed, r"not of the shape .*data.0.starting_at"),
        (bucket(start="2026-11-11T00:00:00Z"), StepFailed, "2026-11-11 00:00 out of turn"),
        ((200, {"data": [{"starting_at": STARTS}]}, {}), StepFailed, r"data.0.results"),
        ((200, {"data": []}, {}), StepFailed, "tells of no day from 2026-11-10"),
        ((200, b"<html>", {}), Unavailable, "is no JSON"),
        ((403, {"error": {"type": "permission_error", "message": "Not this kind"}}, {}), CredentialRefused, "Not this kind"),
    ],
)
def test_what_is_wrong_with_a_report_is_told(scripted: ProviderLink, google: FakeGoogle, answer: Fail, fault: type[Fault], told: str):
    answering(google, answer)

    with pytest.raises(fault, match=told):
        list(days_of(scripted, KEY, "reports", children=False).usage(ALONE, {}))


def test_a_line_of_costs_that_is_told_twice_is_no_dearer_day(scripted: ProviderLink, google: FakeGoogle):
    answering(google, bucket(PAID, {**PAID, "workspace_id": "wrkspc_1"}, PAID))

    with pytest.raises(StepFailed, match="tells a row of 2026-11-10 00:00 twice in v1/organizations/cost_report"):
        list(days_of(scripted, KEY, "reports", children=False).costs(ALONE))


def test_an_amount_that_is_none_is_told_by_its_place(scripted: ProviderLink, google: FakeGoogle):
    for wrong in ({**PAID, "amount": "NaN"}, {**PAID, "amount": None}, {**PAID, "currency": "$"}, {"currency": "USD"}):
        answering(google, bucket(PAID, wrong))
        with pytest.raises(StepFailed, match=r"not of the shape .*data.0.results.1"):
            list(days_of(scripted, KEY, "reports", children=False).costs(ALONE))


def line(start: str = STARTS, *, model: str = "m", output: int = 5, **more: Any) -> Row:
    used = {**USED, "output_tokens": output}
    del used["model"]
    return {"starting_at": start, "group": {"model": model, "product": "messages_api"}, "usage": used, **more}


def page(*rows: Row, more: bool = False, following: str | None = None) -> Fail:
    told = {"data": list(rows), "has_more": more, "next_page": following, "data_refreshed_at": "2026-11-10T07:00:00Z"}
    return 200, told, {}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (page(line(), line()), "out of turn"),
        (page(line("2026-11-11T00:00:00Z")), "2026-11-11 00:00 out of turn"),
        (page(line("2026-11-10T02:00:00Z"), line("2026-11-10T01:00:00Z", model="n")), "01:00 out of turn"),
        (page(line(), more=True), "says that there are more and does not name them"),
        (page(line(), more=True, following="again"), "was read already|out of turn"),
        (page({"starting_at": STARTS}), "data.0.group"),
        (page(line(usage={})), "not of the shape .*uncached_input_tokens"),
        ((200, {"data": []}, {}), "has_more"),
    ],
)
def test_rows_come_once_in_the_order_of_time_or_not_at_all(scripted: ProviderLink, google: FakeGoogle, answer: Fail, told: str):
    answering(google, answer)

    with pytest.raises(StepFailed, match=told):
        list(days_of(scripted, KEY, "analytics", children=True).usage(ALONE, {}))


def test_days_that_its_figures_have_not_reached_yet_are_not_taken_for_days_without_use(scripted: ProviderLink, google: FakeGoogle):
    answering(google, page())

    with pytest.raises(StepFailed, match="of nothing since 2026-11-10 07:00 UTC yet; ask again"):
        list(days_of(scripted, KEY, "analytics", children=True).usage(WEEK, {}))


def test_parts_that_come_to_more_than_the_whole_are_asked_for_again(scripted: ProviderLink, google: FakeGoogle):
    answering(google, lambda path: page(line(output=6 if "speeds" in path else 5)))

    with pytest.raises(StepFailed, match="more than the whole; ask again"):
        list(days_of(scripted, KEY, "analytics", children=True).usage(ALONE, {}))


def test_what_is_charged_otherwise_is_taken_from_the_whole(scripted: ProviderLink, google: FakeGoogle):
    whole = {"": 100, "speeds": 30, "inference_geos": 20, "speeds inference_geos": 10}

    def answer(path: str) -> Fail:
        asked = " ".join(one for one in ("speeds", "inference_geos", "context_windows") if one in path)
        return page(*([line(output=whole[asked])] if asked in whole else []))

    answering(google, answer)
    rows = rows_of(days_of(scripted, KEY, "analytics", children=True).usage(ALONE, {}))

    told = {(row["speed"], row["inference_geo"]): row["output_tokens"] for row in rows}
    assert told == {(None, None): 60, ("fast", None): 20, (None, "us"): 10, ("fast", "us"): 10}
    assert {row["told_until"] for row in rows} == {datetime(2026, 11, 10, 7, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("answer", "fault", "after"),
    [
        ((429, {"error": {"message": "Slow down"}}, {}), Throttled, 90.0),
        ((429, {"error": {"message": "Spent", "details": {"error_code": "enforced_spend_limit_reached"}}}, {}), Rejected, None),
        ((429, {"error": {"message": "Slow down"}}, {"Retry-After": "900"}), Throttled, 900.0),
    ],
)
def test_who_does_not_say_how_long_to_wait_is_asked_once(
    scripted: ProviderLink, google: FakeGoogle, answer: Fail, fault: type[Fault], after: float | None
):
    answering(google, answer)

    with pytest.raises(fault) as caught:
        list(days_of(scripted, KEY, "reports", children=False).usage(ALONE, {}))

    assert (len(google.asked), caught.value.retry_after, caught.value.retry) == (1, after, fault is Throttled)


def test_who_says_it_is_asked_again_then(scripted: ProviderLink, google: FakeGoogle):
    moved = Moved()
    answers: Iterator[Fail] = iter([(429, {}, {"Retry-After": "20"})])
    answering(google, lambda _path: next(answers, bucket(USED)))
    patient = replace(scripted, pace=Pace(PaceFacts(0.0167, 500, 1, guesses=False), now=moved.now, rest=moved.rest))

    assert len(rows_of(days_of(patient, KEY, "reports", children=False).usage(ALONE, {}))) == 1
    assert moved.at >= 20
