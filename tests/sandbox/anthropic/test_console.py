"""The Console's reports: whatever they are told apart by they add up to the same, and they are refused as Anthropic refuses."""

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from src.core.base.faults import Missing
from src.sandbox.anthropic.console import COST_GROUPS, USAGE_GROUPS
from src.sandbox.anthropic.organizations import ORGANIZATIONS, midnight
from src.sandbox.anthropic.use import used
from tests.sandbox.anthropic.conftest import Ask, asker, keys_of
from tests.sandbox.conftest import HeldClock, sandboxed

FIRST, LAST = "2026-11-10T00:00:00Z", "2026-11-17T00:00:00Z"
USAGE = "usage_report/messages"


def results(ask: Ask, path: str, key: str = "demo", **params: Any) -> list[dict[str, Any]]:
    answer = ask(path, key, **params)
    assert answer.status_code == 200, answer.text
    assert not answer.json()["has_more"]
    return [result for one in answer.json()["data"] for result in one["results"]]


def total(rows: list[dict[str, Any]]) -> dict[str, Decimal]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        for name, value in {**row, **row.get("cache_creation", {}), **row.get("server_tool_use", {})}.items():
            if isinstance(value, int) or name == "amount":
                sums[name] += Decimal(value)
    return dict(sums)


@pytest.mark.parametrize(("path", "groups"), [(USAGE, USAGE_GROUPS), ("cost_report", COST_GROUPS)])
def test_whatever_it_is_told_apart_by_it_adds_up_to_the_same(ask: Ask, path: str, groups: tuple[str, ...]):
    whole = results(ask, path, starting_at=FIRST, ending_at=LAST)

    assert len(whole) == 7
    assert total(whole)
    for by in ([groups[0]], list(groups)):
        assert total(results(ask, path, starting_at=FIRST, ending_at=LAST, group_by=by)) == total(whole)


def test_days_hours_and_minutes_add_up_to_the_same(ask: Ask):
    day = {"starting_at": FIRST, "ending_at": "2026-11-11T00:00:00Z"}
    told = [results(ask, USAGE, **day, bucket_width=width, limit=limit) for width, limit in (("1d", 1), ("1h", 24), ("1m", 1440))]

    sums = [total(one) for one in told]
    assert sums[0]["output_tokens"] > 0
    assert sums[0] == sums[1] == sums[2]


def test_pages_go_on_where_the_one_before_ended(ask: Ask):
    asked = {"starting_at": FIRST, "ending_at": LAST, "group_by": ["model"]}
    at_once = ask(USAGE, **asked).json()["data"]
    page, buckets = ask(USAGE, **asked, limit=3).json(), []
    while page["has_more"]:
        buckets += page["data"]
        page = ask(USAGE, **asked, limit=3, page=page["next_page"]).json()

    assert [*buckets, *page["data"]] == at_once
    assert len(at_once) == 7
    assert len(ask(USAGE, starting_at="2026-07-01T00:00:00Z").json()["data"]) == 7
    assert len(ask(USAGE, starting_at="2026-07-01T00:00:00Z", limit=31).json()["data"]) == 31


def test_use_that_costs_otherwise_stands_apart(ask: Ask):
    rows = results(ask, USAGE, starting_at=FIRST, ending_at=LAST, group_by=list(USAGE_GROUPS))

    told = {name: {row[name] for row in rows} for name in USAGE_GROUPS}
    assert (told["service_tier"], told["speed"], told["inference_geo"]) == ({"standard", "batch"}, {"standard", "fast"}, {"global", "us"})
    assert told["context_window"] == {"0-200k", "200k-1M"}
    assert None in told["workspace_id"]
    assert any(row["api_key_id"] is None and row["account_id"] for row in rows)
    assert any(row["api_key_id"] is None and row["service_account_id"] for row in rows)
    listed = {one["id"] for one in ask("api_keys").json()["data"]}
    assert {row["api_key_id"] for row in rows} - listed == {None, ORGANIZATIONS["demo"].named("apikey", "deleted")}
    assert all("speed" not in row for row in results(ask, USAGE, betas="", starting_at=FIRST, ending_at=LAST))


def test_costs_are_cents_and_tell_what_no_report_of_use_does(ask: Ask):
    rows = results(ask, "cost_report", starting_at=FIRST, ending_at=LAST, group_by=["description", "workspace_id"])

    assert {row["cost_type"] for row in rows} == {"tokens", "web_search", "code_execution", "session_usage"}
    assert {row["amount"] for row in rows if row["cost_type"] == "code_execution"} == {"35.0000"}
    assert all(len(row["amount"].partition(".")[2]) >= 4 for row in rows)
    assert {row["model"] is None for row in rows if row["cost_type"] != "tokens"} == {True}
    assert {row["model"] for row in results(ask, "cost_report", starting_at=FIRST, ending_at=LAST)} == {None}


@pytest.mark.parametrize(
    ("path", "params", "told"),
    [
        (USAGE, {}, "starting_at: Field required"),
        (USAGE, {"starting_at": "yesterday"}, "starting_at: Input should be a valid datetime"),
        (USAGE, {"starting_at": FIRST, "ending_at": FIRST}, "ending_at: ending date must be after"),
        (USAGE, {"starting_at": FIRST, "limit": 32}, "limit: Input should be"),
        (USAGE, {"starting_at": FIRST, "bucket_width": "1w"}, "bucket_width: Input should be"),
        (USAGE, {"starting_at": FIRST, "group_by": ["description"]}, "group_by.0: Input should be"),
        (USAGE, {"starting_at": FIRST, "group_by": ["speed"], "betas": ""}, "requires the beta header"),
        (USAGE, {"starting_at": FIRST, "page": "page_bm8="}, "page: Invalid page token"),
        ("cost_report", {"starting_at": FIRST, "bucket_width": "1h"}, "bucket_width: Input should be"),
        ("cost_report", {"starting_at": FIRST, "models": ["x"]}, "Extra inputs are not permitted"),
        ("workspaces", {"limit": 1001}, "limit: Input should be"),
        ("api_keys", {"after_id": "apikey_of_nobody"}, "Invalid cursor"),
    ],
)
def test_what_does_not_suit_is_refused_in_words(ask: Ask, path: str, params: dict[str, Any], told: str):
    answer = ask(path, **params)

    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert told in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("key", "status", "kind"),
    [
        ("ordinary", 401, "authentication_error"),
        ("revoked", 401, "authentication_error"),
        ("analytics", 403, "permission_error"),
        ("enterprise", 403, "permission_error"),
        ("throttled", 429, "rate_limit_error"),
        ("busy", 429, "rate_limit_error"),
        ("spent", 429, "rate_limit_error"),
        ("failing", 500, "api_error"),
        ("overloaded", 529, "overloaded_error"),
    ],
)
def test_what_a_key_may_not_is_told_by_its_status(ask: Ask, key: str, status: int, kind: str):
    answer = ask("cost_report", key, starting_at=FIRST)

    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    assert answer.headers.get("retry-after") == ("20" if key == "throttled" else None)
    assert ("details" in answer.json()["error"]) == (key == "spent")
    assert answer.json()["request_id"] == answer.headers["request-id"]


def test_it_is_the_same_in_every_sandbox_and_order(ask: Ask, tmp_path: Path):
    asked: list[tuple[str, dict[str, Any]]] = [
        ("cost_report", {"starting_at": FIRST, "limit": 1, "group_by": ["description"]}),
        (USAGE, {"starting_at": "2026-08-10T00:00:00Z", "limit": 2, "group_by": ["model", "api_key_id"]}),
    ]
    here = [ask(path, **params).text for path, params in asked]

    with sandboxed(tmp_path / "sandbox", HeldClock()) as other, httpx2.Client(trust_env=False, timeout=60) as http:
        there = [asker(other, http)(path, **params).text for path, params in reversed(asked)]

    assert here == there[::-1]


def test_today_is_told_as_far_as_it_has_come():
    day = date(2026, 11, 11)
    told = [sum(one.requests for one in used(ORGANIZATIONS["demo"], day, datetime(2026, 11, 11, hour, tzinfo=UTC))) for hour in (0, 9, 23)]

    assert 0 <= told[0] < told[1] < told[2] <= sum(one.requests for one in used(ORGANIZATIONS["demo"], day, midnight(date(2026, 11, 12))))


def test_key_files_are_made_for_their_owner_alone(tmp_path: Path):
    with sandboxed(tmp_path / "first", HeldClock()) as first:
        credentials = tmp_path / "first" / "credentials"
        assert (credentials / "anthropic-demo.txt").read_text() == keys_of(first).key("demo")
        assert {path.stat().st_mode & 0o777 for path in credentials.glob("anthropic-*")} == {0o600}
        begins = {"demo": "sk-ant-admin01-", "ordinary": "sk-ant-api03-"}
        assert all(keys_of(first).key(name).startswith(beginning) for name, beginning in begins.items())
        with pytest.raises(Missing, match="it has demo, second"):
            keys_of(first).key("nobody")
