"""OpenAI's own client takes the sandbox for OpenAI: its types fit, its pages go on, its exceptions are raised."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.admin.organization import UsageCostsResponse

from src.sandbox.openai.organizations import LOST_KEY, MEMBERS, ORGANIZATIONS, PROJECT_KEYS, PROJECTS
from tests.sandbox.openai.days import DAY, FIRST

Client = Callable[[str], OpenAI]
DEMO = ORGANIZATIONS["demo"]
ENDPOINTS = {
    "completions": ["project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source"],
    "decisions": ["project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source"],
    "embeddings": ["project_id", "user_id", "api_key_id", "model"],
    "moderations": ["project_id", "user_id", "api_key_id", "model"],
    "images": ["project_id", "user_id", "api_key_id", "model", "size", "source"],
    "audio_speeches": ["project_id", "user_id", "api_key_id", "model"],
    "audio_transcriptions": ["project_id", "user_id", "api_key_id", "model"],
    "vector_stores": ["project_id"],
    "code_interpreter_sessions": ["project_id"],
    "file_search_calls": ["project_id", "user_id", "api_key_id", "vector_store_id"],
    "web_search_calls": ["project_id", "user_id", "api_key_id", "model", "context_level", "api_source"],
}


def answer_type(endpoint: str) -> Any:
    name = "".join(word.title() for word in endpoint.split("_"))
    return vars(import_module(f"openai.types.admin.organization.usage_{endpoint}_response"))[f"Usage{name}Response"]


@pytest.mark.parametrize("endpoint", list(ENDPOINTS))
def test_every_report_of_use_is_of_the_type_it_should_be(client: Client, endpoint: str):
    report: Any = getattr(client("demo").admin.organization.usage.with_raw_response, endpoint)

    answer = report(start_time=FIRST, end_time=FIRST + 3 * DAY, group_by=ENDPOINTS[endpoint])

    assert answer.request_id.startswith("req_")
    # the client builds its types without a check; so they are asked to check
    page = answer_type(endpoint).model_validate_json(answer.text, strict=True)
    results = [result for bucket in page.data for result in bucket.results]
    assert len(page.data) == 3
    assert len(results) >= 3
    assert not any(result.model_extra for result in results)
    assert {type(result) for result in results} == {type(result) for bucket in answer.parse().data for result in bucket.results}
    assert all(getattr(result, name) is not None for result in results for name in ENDPOINTS[endpoint] if name != "user_id")


@pytest.mark.parametrize(("first", "strict"), [(FIRST, False), (FIRST - 365 * DAY, True)], ids=["as texts", "as numbers"])
def test_the_report_of_costs_is_of_the_type_it_should_be(client: Client, first: int, *, strict: bool):
    report: Any = client("demo").admin.organization.usage.with_raw_response.costs

    answer = report(start_time=first, limit=60, group_by=["project_id", "line_item"])

    page = UsageCostsResponse.model_validate_json(answer.text, strict=strict)
    results: list[Any] = [result for bucket in page.data for result in bucket.results]
    assert len(page.data) == (60 if strict else 12)
    assert not any(result.model_extra or result.amount.model_extra for result in results)
    assert {result.quantity_unit for result in results} >= {"tokens", "images", "characters", "gibibyte_hours", None}


def test_pages_of_buckets_go_on_until_there_are_no_more(client: Client):
    usage = client("demo").admin.organization.usage
    at_once = usage.completions(start_time=FIRST, end_time=FIRST + 10 * DAY, limit=31, group_by=["model"])

    page = usage.completions(start_time=FIRST, end_time=FIRST + 10 * DAY, limit=4, group_by=["model"])
    buckets = list(page.data)
    while page.next_page:
        page = usage.completions(start_time=FIRST, end_time=FIRST + 10 * DAY, limit=4, group_by=["model"], page=page.next_page)
        buckets += page.data

    assert (at_once.has_more, at_once.next_page, page.has_more) == (False, None, False)
    assert buckets == at_once.data
    assert len(buckets) == 10


def test_lists_go_on_by_the_clients_own_iterator(client: Client):
    organization = client("demo").admin.organization

    projects = {one.name: one for one in organization.projects.list(limit=2, include_archived=True)}
    assert list(projects) == list(PROJECTS)
    assert (projects["legacy"].status, projects["default"].archived_at) == ("archived", None)
    assert [one.name for one in organization.projects.list(limit=1)] == [name for name in PROJECTS if name != "legacy"]
    assert [(one.name, one.role) for one in organization.users.list(limit=1)] == [(one.name, one.role) for one in MEMBERS]
    assert "demo" in [one.name for one in organization.admin_api_keys.list(limit=3)]

    keys = {one.name: one for project in projects.values() for one in organization.projects.api_keys.list(project.id, limit=1)}
    assert set(keys) == {one.name for one in PROJECT_KEYS} - {LOST_KEY}
    assert keys["live"].owner.service_account is not None
    assert (keys["lab"].owner.user and keys["lab"].owner.user.name) == "Cyd"


@pytest.mark.parametrize(
    ("key", "raised", "code"),
    [
        ("narrow", openai.PermissionDeniedError, None),
        ("narrow-401", openai.AuthenticationError, None),
        ("project", openai.PermissionDeniedError, None),
        ("service-account", openai.PermissionDeniedError, None),
        ("legacy", openai.PermissionDeniedError, None),
        ("revoked", openai.AuthenticationError, "invalid_api_key"),
        ("throttled", openai.RateLimitError, "rate_limit_exceeded"),
        ("busy", openai.RateLimitError, "rate_limit_exceeded"),
        ("failing", openai.InternalServerError, None),
    ],
)
def test_what_a_key_may_not_is_the_clients_own_exception(client: Client, key: str, raised: type[openai.APIStatusError], code: str | None):
    with pytest.raises(raised) as caught:
        client(key).admin.organization.usage.costs(start_time=FIRST)

    assert caught.value.code == code
    assert (caught.value.request_id or "").startswith("req_")
    assert caught.value.response.headers.get("retry-after") == ("20" if key == "throttled" else None)


def test_a_key_for_usage_alone_lists_nothing(client: Client):
    organization = client("usage-only").admin.organization

    assert organization.usage.costs(start_time=FIRST).data
    with pytest.raises(openai.PermissionDeniedError, match=r"Missing scopes: api.management.read"):
        organization.projects.list()


def test_a_slow_answer_ends_the_clients_patience(client: Client):
    with pytest.raises(openai.APITimeoutError):
        client("slow").admin.organization.usage.costs(start_time=FIRST, timeout=0.2)


def test_what_is_not_there_is_not_found(client: Client):
    with pytest.raises(openai.NotFoundError, match="No project found"):
        client("demo").admin.organization.projects.api_keys.list("proj_of_nobody")
    with pytest.raises(openai.NotFoundError, match=r"Invalid URL \(GET /v1/organization/invites\)"):
        client("demo").admin.organization.invites.list()
    with pytest.raises(openai.APIStatusError, match="Not allowed to POST on /v1/organization/projects"):
        client("demo").admin.organization.projects.create(name="another")
