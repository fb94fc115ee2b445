"""The analytics: the same use in rows, with what only they tell and what they refuse."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from src.sandbox.anthropic.organizations import ORGANIZATIONS
from tests.sandbox.anthropic.conftest import Ask

FIRST, LAST = "2026-11-10T00:00:00Z", "2026-11-17T00:00:00Z"
WEEK: dict[str, Any] = {
    "starting_at": FIRST,
    "ending_at": LAST,
    "time_bucket_width": "1d",
    "order_by": "time",
    "order": "asc",
    "limit": 1000,
}
# what is for people, and stands in no report of the Console's costs
SEATS = {"claude_code", "chat"}


def rows(ask: Ask, path: str, key: str = "demo", **params: Any) -> list[dict[str, Any]]:
    answer = ask(f"analytics/{path}", key, **{**WEEK, **params})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def amount(told: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(one["cost"]["amount"]) for one in told), Decimal(0))


def test_without_people_s_products_it_is_what_the_console_reports(ask: Ask):
    told = [one for one in rows(ask, "cost", group_by=["product"]) if one["group"]["product"] not in SEATS]
    console = ask("cost_report", starting_at=FIRST, ending_at=LAST, group_by=["workspace_id", "description"]).json()["data"]

    assert amount(told) == sum(Decimal(one["amount"]) for bucket in console for one in bucket["results"])
    used = [one for one in rows(ask, "usage", group_by=["product", "model"]) if one["group"]["product"] not in SEATS]
    messages = ask("usage_report/messages", starting_at=FIRST, ending_at=LAST).json()["data"]
    for name in ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens"):
        assert sum(one["usage"][name] for one in used) == sum(one[name] for bucket in messages for one in bucket["results"])


def test_however_it_is_told_apart_and_narrowed_it_adds_up_to_the_same(ask: Ask):
    whole = amount(rows(ask, "cost"))

    assert amount(rows(ask, "cost", group_by=["model", "workspace_id", "api_key_id", "cost_type", "token_type"])) == whole
    assert sum(amount(rows(ask, "cost", speeds=[one])) for one in ("fast", "standard", "")) == whole
    assert sum(amount(rows(ask, "cost", api_key_ids=[one])) for one in ("", *_keys(ask))) == whole
    assert amount(rows(ask, "cost", order_by="amount", order="desc", limit=1, time_bucket_width="1d")) < whole
    only_tokens = amount(rows(ask, "cost", group_by=["token_type"]))
    assert only_tokens == amount([one for one in rows(ask, "cost", group_by=["cost_type"]) if one["group"]["cost_type"] == "tokens"])
    assert only_tokens < whole


def _keys(ask: Ask) -> set[str]:
    return {one["group"]["api_key_id"] for one in rows(ask, "cost", group_by=["api_key_id"])} - {None}


def test_the_default_workspace_has_an_id_here_that_is_on_no_list(ask: Ask):
    told = {one["group"]["workspace_id"] for one in rows(ask, "usage", group_by=["workspace_id"])}
    listed = {one["id"] for one in ask("workspaces", include_archived="true").json()["data"]}

    assert told - listed == {ORGANIZATIONS["demo"].default_workspace_id}
    assert {one["group"]["workspace_id"] for one in rows(ask, "usage", "enterprise", group_by=["workspace_id"])} == {None}


def test_a_parent_tells_of_its_children_but_of_those_ready_for_hipaa(ask: Ask):
    by: defaultdict[str, Decimal] = defaultdict(Decimal)
    for one in rows(ask, "cost", "parent", group_by=["organization_id"]):
        by[one["group"]["organization_id"]] += Decimal(one["cost"]["amount"])

    assert set(by) == {ORGANIZATIONS["parent"].id, ORGANIZATIONS["north"].id}
    assert by[ORGANIZATIONS["north"].id] == amount(rows(ask, "cost", "north"))
    refused = ask("analytics/cost", "parent", **WEEK, organization_ids=[ORGANIZATIONS["clinic"].id])
    assert (refused.status_code, ask("analytics/cost", "clinic", **WEEK).status_code) == (400, 400)
    assert ask("analytics/cost", "demo", **WEEK, group_by=["organization_id"]).status_code == 403


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"betas": ""}, "requires the beta header analytics-usage-cost-2026-08-24"),
        ({"starting_at": "2025-12-31T00:00:00Z", "ending_at": FIRST}, "no earlier than 2026-01-01"),
        ({"ending_at": "2026-12-12T00:00:00Z"}, "at most 31 days"),
        ({"time_bucket_width": "1m"}, "may span at most"),
        ({"limit": 1001}, "limit: Input should be"),
        ({"group_by": ["model", "product", "speed", "actor", "api_key_id", "service_tier"]}, "at most 5 items"),
        ({"order_by": "total_tokens"}, "order_by: Input should be"),
        ({"group_by": ["description"]}, "group_by.0"),
    ],
)
def test_what_does_not_suit_is_refused_in_words(ask: Ask, params: dict[str, Any], told: str):
    answer = ask("analytics/cost", **{**WEEK, **params})

    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]


def test_claude_code_is_told_by_the_day_person_and_key(ask: Ask):
    records = ask("usage_report/claude_code", starting_at="2026-11-10").json()["data"]

    assert [one["actor"]["type"] for one in records] == ["user_actor", "api_actor"]
    paged = ask("usage_report/claude_code", starting_at="2026-11-10", limit=1).json()
    rest = ask("usage_report/claude_code", starting_at="2026-11-10", limit=1, page=paged["next_page"]).json()
    assert [*paged["data"], *rest["data"]] == records
    assert rest["has_more"] is False
    told = {one["model_breakdown"][0]["model"]: one["model_breakdown"][0]["estimated_cost"]["amount"] for one in records}
    exact = {
        one["group"]["model"]: Decimal(one["cost"]["amount"]) for one in rows(ask, "cost", products=["claude_code"], group_by=["model"])
    }
    assert all(0 <= told[name] - exact[name] < 1 for name in told) or told.keys() == exact.keys()
    assert ask("usage_report/claude_code", starting_at="2026-11-10T00:00:00Z").status_code == 400
