"""What every answer carries, and what every refusal looks like."""

import json
import re
from typing import Any

import pytest

from tests.acceptance.observed import new_slug, problem, send
from tests.fakes.running import ROOT_KEY, RunningService

ORGS = "/api/v1/organizations"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


def posted(service: RunningService, content: bytes, kind: str = "application/json"):
    return send(service, "POST", f"{ORGS}/onboard", content, X_CA_Root_Key=ROOT_KEY, Content_Type=kind)


@pytest.mark.parametrize("given", ["abc", "0123-ABC_def.9", "01a1fb7050c4ddbaae71db8728d03f3f", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"])
def test_a_request_id_comes_back(service: RunningService, given):
    assert service.call("GET", "/health", X_Request_ID=given).headers["x-request-id"] == given
    assert problem(service.call("GET", ORGS, X_Request_ID=given), 401, "unauthenticated")["request_id"] == given


def test_a_request_without_an_id_gets_one_of_its_own(service: RunningService):
    made = {service.call("GET", "/health").headers["x-request-id"] for _ in range(3)}

    assert len(made) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{8,64}", one) for one in made)


@pytest.mark.parametrize("given", ["a" * 300, "a b", "a;b", "<script>", "a\tb", "a,b", '"', "${jndi:x}", "a%0d%0ab"])
def test_an_insane_request_id_is_replaced(service: RunningService, given):
    answer = service.call("GET", "/nowhere", X_Request_ID=given)

    document = problem(answer, 404, "missing")
    assert re.fullmatch(r"[A-Za-z0-9_-]{8,64}", answer.headers["x-request-id"])
    assert document["request_id"] != given


def test_trace_context_is_continued(service: RunningService):
    answer = service.call("GET", "/health", traceparent=f"00-{TRACE}-{CALLER}-01")

    version, trace, span, flags = answer.headers["traceresponse"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert re.fullmatch(r"[0-9a-f]{16}", span)
    assert span != CALLER


@pytest.mark.parametrize(
    "given",
    ["garbage", f"00-{'0' * 32}-{CALLER}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{CALLER}-01", f"00-{TRACE.upper()}-{CALLER}-01"],
)
def test_a_broken_trace_context_begins_a_new_trace(service: RunningService, given):
    answer = service.call("GET", "/health", traceparent=given)

    _, trace, _, _ = answer.headers["traceresponse"].split("-")
    assert answer.status_code == 200
    assert re.fullmatch(r"[0-9a-f]{32}", trace)
    assert trace not in (TRACE, "0" * 32)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/health", 200), ("GET", ORGS, 401), ("GET", "/nowhere", 404), ("PUT", "/health", 405), ("GET", "/docs", 200)],
)
def test_every_answer_carries_the_security_headers(service: RunningService, method, path, status):
    answer = service.call(method, path)

    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-request-id"]
    assert "strict-transport-security" not in answer.headers


def test_refusals_of_the_caller_are_problems(service: RunningService):
    slug, other = new_slug("refused"), new_slug("other")
    key = service.key_of(slug)
    service.key_of(other)

    none = service.call("GET", ORGS)
    wrong = service.call("GET", "/api/v1/whoami", key=f"{slug}_api_" + "A" * 16)

    for answer in (none, wrong):
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"]
    problem(service.call("GET", f"{ORGS}/{other}/keys", key=key), 403, "not-yours")
    assert problem(service.onboard(slug), 409, "conflict")["instance"] == f"{ORGS}/onboard"


def test_an_address_or_method_that_is_not_served_is_a_problem(service: RunningService):
    missing = service.call("GET", "/api/v2/anything")
    method = service.call("PUT", ORGS)

    assert problem(missing, 404, "missing")["instance"] == "/api/v2/anything"
    assert "GET" in problem(method, 405, "method-not-allowed")["detail"]
    assert method.headers["allow"] == "GET"


@pytest.mark.parametrize("content", [b'{"org_slug": ', b"{'org_slug': 'x'}", b"org_slug=x", b"{}{}", b'{"org_slug": "x",}', b"\x00"])
def test_malformed_json_is_refused_with_its_line(service: RunningService, content):
    document = problem(posted(service, b"\n\n" + content), 422, "rejected")

    assert document["errors"][0]["field"] == "body"
    assert document["errors"][0]["line"] == 3
    assert "JSON" in document["detail"]


@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"7", b"true"])
def test_json_that_is_no_object_is_refused(service: RunningService, content):
    assert "object" in problem(posted(service, content), 422, "rejected")["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data; boundary=x"])
def test_a_wrong_content_type_is_refused_with_the_right_one(service: RunningService, kind):
    slug = new_slug("typed")
    body = json.dumps({"org_slug": slug, "company_name": "Typed", "admin_email": "a@example.com"}).encode()

    document = problem(posted(service, body, kind), 422, "rejected")

    assert "Content-Type: application/json" in document["detail"]
    assert service.admin("GET", f"{ORGS}/{slug}").status_code == 404


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"org_slug": None}, "org_slug"),
        ({"org_slug": 12345}, "org_slug"),
        ({"org_slug": ["abc"]}, "org_slug"),
        ({"org_slug": {"$ne": ""}}, "org_slug"),
        ({"org_slug": "a" * 100_000}, "org_slug"),
        ({"company_name": None}, "company_name"),
        ({"company_name": "x" * 201}, "company_name"),
        ({"admin_email": 1}, "admin_email"),
        ({"admin_email": "a" * 400 + "@example.com"}, "admin_email"),
        ({"subscription_plan": 3}, "subscription_plan"),
        ({"timezone": False}, "timezone"),
        ({"api_key": "x"}, "api_key"),
        ({"generation": 7}, "generation"),
    ],
)
def test_a_wrong_field_is_named(service: RunningService, changed: dict[str, Any], field):
    body = {"org_slug": new_slug("wrong"), "company_name": "Wrong", "admin_email": "a@example.com", **changed}

    document = problem(service.admin("POST", f"{ORGS}/onboard", body), 422, "rejected")

    assert [error["field"] for error in document["errors"]] == [field]
    assert all(error["message"] for error in document["errors"])


def test_a_refusal_never_repeats_what_was_sent_as_a_key(service: RunningService):
    planted = "planted_api_" + "Z" * 16

    for answer in (
        service.call("GET", "/api/v1/whoami", key=planted),
        service.call("GET", ORGS, root=planted),
        service.admin("POST", f"{ORGS}/onboard", {"org_slug": planted, "api_key": planted}),
    ):
        assert planted not in answer.text
