"""Anthropic's own client takes the sandbox for Anthropic: its types fit, its pages go on, its exceptions are raised.

It has no calls for the reports of the Console any more; those are held by test_console.py.
"""

import json
from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic as AnthropicClient
from anthropic.types.beta.organization.analytics import BetaAnalyticsCostItem, BetaAnalyticsUsageItem
from anthropic.types.organization import APIKey, OrganizationUser, Workspace

from src.sandbox.anthropic.organizations import MEMBERS, ORGANIZATIONS, WORKSPACE_KEYS, WORKSPACES

Client = Callable[[str], AnthropicClient]
DAYS: dict[str, Any] = {
    "starting_at": "2026-11-10T00:00:00Z",
    "ending_at": "2026-11-13T00:00:00Z",
    "time_bucket_width": "1d",
    "order_by": "time",
    "order": "asc",
}


def test_lists_go_on_by_the_clients_own_iterator(client: Client):
    organization = client("demo").organization

    assert organization.retrieve().id == ORGANIZATIONS["demo"].id
    workspaces = list(organization.workspaces.list(limit=2, include_archived=True))
    assert [one.name for one in workspaces] == list(WORKSPACES)
    assert [one.name for one in organization.workspaces.list() if one.archived_at] == []
    assert [one.name for one in organization.api_keys.list(limit=2)] == [one.name for one in WORKSPACE_KEYS if one.listed]
    assert [one.email for one in organization.users.list(limit=1)] == [one.email for one in MEMBERS]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("workspaces?include_archived=true", Workspace), ("api_keys", APIKey), ("users", OrganizationUser)],
)
def test_every_thing_of_a_list_is_of_the_type_it_should_be(ask: Callable[..., Any], path: str, kind: Any):
    for one in ask(path).json()["data"]:
        assert not set(kind.model_validate_json(json.dumps(one)).model_extra or ()) - {"workspace_id"}


@pytest.mark.parametrize(("report", "kind"), [("usage", BetaAnalyticsUsageItem), ("cost", BetaAnalyticsCostItem)])
def test_the_analytics_are_of_the_types_they_should_be(client: Client, report: str, kind: Any):
    asked: Any = getattr(client("demo").beta.organization.analytics, report)
    by = ["model", "workspace_id", "api_key_id", "actor", "product", *(["cost_type", "token_type"] if report == "cost" else [])]

    raw = asked.with_raw_response.list(**DAYS, limit=1000, group_by=by)
    page = raw.parse()

    rows = [kind.model_validate_json(row.to_json(exclude_unset=False), strict=False) for row in page.data]
    assert len(rows) > 20
    assert not any(row.model_extra or row.group.model_extra for row in rows)
    assert raw.request_id.startswith("req_")
    assert page.data_refreshed_at is not None
    assert page.has_more is False
    assert {row.group.actor.type for row in rows if row.group.actor} == {"user_actor", "api_actor", "service_account_actor"}


@pytest.mark.parametrize("report", ["usage", "cost"])
def test_pages_of_rows_go_on_by_the_clients_own_iterator(client: Client, report: str):
    asked: Any = getattr(client("demo").beta.organization.analytics, report)
    at_once = list(asked.list(**DAYS, limit=1000, group_by=["model", "product"]))

    assert list(asked.list(**DAYS, limit=7, group_by=["model", "product"])) == at_once
    assert len(asked.list(**DAYS, group_by=["model", "product"]).data) == 20 < len(at_once)


@pytest.mark.parametrize(
    ("key", "raised"),
    [
        ("ordinary", anthropic.AuthenticationError),
        ("revoked", anthropic.AuthenticationError),
        ("clinic", anthropic.BadRequestError),
        ("throttled", anthropic.RateLimitError),
        ("spent", anthropic.RateLimitError),
        ("failing", anthropic.InternalServerError),
        ("overloaded", anthropic.InternalServerError),
    ],
)
def test_what_a_key_may_not_is_the_clients_own_exception(client: Client, key: str, raised: type[anthropic.APIStatusError]):
    with pytest.raises(raised) as caught:
        client(key).beta.organization.analytics.cost.list(**DAYS)

    assert (caught.value.request_id or "").startswith("req_")
    assert caught.value.response.headers.get("retry-after") == ("20" if key == "throttled" else None)


def test_a_key_for_analytics_alone_reads_nothing_else(client: Client):
    assert client("analytics").beta.organization.analytics.cost.list(**DAYS).data
    with pytest.raises(anthropic.PermissionDeniedError, match="Admin API key"):
        client("analytics").organization.retrieve()


def test_a_slow_answer_ends_the_clients_patience(client: Client):
    with pytest.raises(anthropic.APITimeoutError):
        client("slow").organization.retrieve(timeout=0.2)


def test_what_is_not_there_is_not_found(client: Client):
    with pytest.raises(anthropic.NotFoundError, match="Not found: /v1/organizations/rate_limits"):
        list(client("demo").organization.rate_limits.list())
