import asyncio
import re
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.app.edge.trace import read_trace
from src.app.process.logs import REQUEST
from tests.app.edge.conftest import ORG_KEY, build, client, events

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SHOW = "/api/v1/orgs/acme"


async def test_a_sane_request_id_is_kept_and_bound(caller: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    answer = await caller.get("/api/v1/orgs/state/all", headers={"X-Request-ID": "client.id_7-A"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "client.id_7-A"
    assert {event["event"]: event["request_id"] for event in events(capsys.readouterr().err)} == {
        "route.ran": "client.id_7-A",
        "http.request": "client.id_7-A",
    }


async def test_nothing_bound_before_a_request_shows_in_it(caller: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    REQUEST.set({"org": "somebody_else"})
    await caller.get("/api/v1/orgs/state/all")
    assert not [event for event in events(capsys.readouterr().err) if "org" in event]


@pytest.mark.parametrize("bad", ["", " ", "a b", "x" * 65, "a\tb", 'a"b', "ü", "a/b"])
async def test_any_other_request_id_is_replaced(caller: httpx2.AsyncClient, bad: str) -> None:
    answer = await caller.get(SHOW, headers=[(b"X-Request-ID", bad.encode())])
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_a_key_sent_as_request_id_is_replaced_and_written_nowhere(
    caller: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await caller.get("/api/v1/orgs/state/all", headers={"X-Request-ID": ORG_KEY})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert ORG_KEY not in answer.text
    assert ORG_KEY not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["X-API-Key", "x-ca-root-key", "X-ADMIN-KEY", "Idempotency-Key"])
async def test_of_two_keys_neither_is_taken(caller: httpx2.AsyncClient, name: str) -> None:
    answer = await caller.get(SHOW, headers=[(name, ORG_KEY), ("Accept", "a"), (name.upper(), ORG_KEY)])
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems#doubled-header")
    assert "send it once" in answer.json()["detail"]
    assert (await caller.get(SHOW, headers=[(name, ORG_KEY), ("Accept", "a"), ("Accept", "b")])).status_code == 200


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_a_key_in_a_path_is_written_nowhere_not_even_cut_short(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    async with client(build(log_format=log_format)) as caller:
        for before in range(160, 200):
            answer = await caller.get(f"/{'-' * before}{ORG_KEY}")
            assert "acme_corp_api" not in answer.text
    assert "acme_corp_api" not in capsys.readouterr().err


async def test_a_trace_goes_on_under_a_span_of_our_own(caller: httpx2.AsyncClient) -> None:
    answer = await caller.get("/api/v1/orgs/state/all", headers={"traceparent": TRACEPARENT})
    version, trace, span, flags = answer.headers["traceresponse"].split("-")
    assert (version, trace, flags) == ("00", TRACEPARENT[3:35], "01")
    assert span not in TRACEPARENT
    assert answer.json()["traceparent"] == answer.headers["traceresponse"]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "00",
        TRACEPARENT.upper(),
        f"{TRACEPARENT}-more",
        f"ff{TRACEPARENT[2:]}",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACEPARENT[3:35]}-{'0' * 16}-01",
    ],
)
async def test_a_broken_traceparent_starts_a_new_trace(caller: httpx2.AsyncClient, bad: str) -> None:
    answer = await caller.get(SHOW, headers={"traceparent": bad})
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", answer.headers["traceresponse"])
    assert TRACEPARENT[3:35] not in answer.headers["traceresponse"]


def test_a_later_traceparent_version_is_read_as_far_as_known() -> None:
    assert read_trace(None, f"01{TRACEPARENT[2:]}-what-comes".encode()).trace_id == TRACEPARENT[3:35]


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_no_header_breaks_the_trace(request_id: bytes, traceparent: bytes) -> None:
    trace = read_trace(request_id, traceparent)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", trace.request_id)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", trace.header)


async def test_api_answers_carry_the_security_headers(caller: httpx2.AsyncClient) -> None:
    headers = (await caller.get(SHOW)).headers
    expected = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cache-control": "no-store",
    }
    assert {name: headers.get(name) for name in expected} == expected
    assert "strict-transport-security" not in headers


async def test_outside_development_browsers_are_held_to_https() -> None:
    async with client(build(environment="production")) as caller:
        assert "max-age=31536000" in (await caller.get(SHOW)).headers["strict-transport-security"]


async def test_what_a_route_says_of_caching_and_content_stands(caller: httpx2.AsyncClient) -> None:
    headers = (await caller.get("/api/v1/orgs/own/headers")).headers
    assert headers.get_list("cache-control") == ["private"]
    assert headers.get_list("content-security-policy") == ["sandbox"]


async def test_a_failure_after_the_head_is_logged_and_nothing_is_added(capsys: pytest.CaptureFixture[str]) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(5)
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))

    path = "/api/v1/orgs/boom/late"
    await build()({"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "root_path": ""}, receive, send)
    assert [(message.get("status"), message.get("body")) for message in sent] == [(200, None), (None, b"half")]
    assert [event["event"] for event in events(capsys.readouterr().err)] == ["request.failed", "http.request"]


async def test_auth_that_is_off_says_so_on_answers_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    async with client(build(disable_auth=True)) as caller:
        assert (await caller.get("/api/v1/orgs/state/all")).headers["x-auth-disabled"] == "true"
    assert [event["auth"] for event in events(capsys.readouterr().err)] == ["disabled", "disabled"]


async def test_an_announced_body_too_large_is_refused_unread() -> None:
    async with client(build(max_body_bytes=1024)) as caller:
        answer = await caller.post(SHOW, content=b"x" * 1025)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert (answer.json()["type"], answer.json()["limit_bytes"]) == ("/problems#too-large", 1024)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_streamed_body_is_stopped_at_the_limit() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 512
            yield b"x" * 512

    async with client(build(max_body_bytes=1024)) as caller:
        answer = await caller.post(SHOW, content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems#too-large")
    assert sent < 4096


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_just_the_limit_passes(chunked: bool) -> None:
    body = b'{"org_slug": "acme"}'.ljust(1024)

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    async with client(build(max_body_bytes=1024)) as caller:
        answer = await caller.post(SHOW, content=pieces() if chunked else body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


async def test_the_access_log_names_the_template_and_the_actor_and_no_query(
    caller: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await caller.get(f"{SHOW}?api_key={ORG_KEY}", headers={"X-API-Key": ORG_KEY})
    written = capsys.readouterr().err
    [event] = events(written)
    facts = {name: event[name] for name in ("event", "method", "route", "status", "actor", "org", "level")}
    assert facts == {
        "event": "http.request",
        "method": "GET",
        "route": "/api/v1/orgs/{org}",
        "status": 200,
        "actor": "org",
        "org": "acme_corp",
        "level": "info",
    }
    assert event["duration_ms"] >= 0
    assert ORG_KEY not in written


@pytest.mark.parametrize("path", [f"/no/{ORG_KEY}", "/a%22b%5Cc", "/%0A{}", "/" + "x" * 900])
async def test_the_path_of_an_unknown_address_cannot_break_or_leak_into_the_line(
    caller: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    await caller.get(path)
    written = capsys.readouterr().err
    [event] = events(written)
    assert (event["route"], event["problem"]) == ("unmatched", "missing")
    assert len(event["path"]) <= 200
    assert ORG_KEY not in written


async def test_on_a_console_the_access_log_is_an_event_like_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    async with client(build(log_format="console")) as caller:
        await caller.get(SHOW)
    assert re.search(r"http\.request\s.*route=/api/v1/orgs/{org} status=200", capsys.readouterr().err)


async def test_a_higher_log_level_leaves_the_access_log_out(capsys: pytest.CaptureFixture[str]) -> None:
    async with client(build(log_level="warning")) as caller:
        await caller.get(SHOW)
    assert capsys.readouterr().err == ""


async def test_requests_are_counted_by_template_and_status() -> None:
    async with client(build()) as caller:
        for path in (SHOW, "/api/v1/orgs/globex", "/nope/1", "/nope/2"):
            await caller.get(path)
        await caller.request("BREW", "/nope")
        text = (await caller.get("/metrics")).text
    assert 'http_requests_total{method="GET",route="/api/v1/orgs/{org}",status="200"} 2.0' in text
    assert 'http_requests_total{method="GET",route="unmatched",status="404"} 2.0' in text
    assert 'http_requests_total{method="other",route="unmatched",status="404"} 1.0' in text
    assert 'http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/api/v1/orgs/{org}",status="200"} 2.0' in text
    assert "acme" not in text


async def test_a_browser_may_read_what_the_edge_itself_answers() -> None:
    origin = "https://app.example.com"
    async with client(build(cors_origins=(origin,), max_body_bytes=1024)) as caller:
        answer = await caller.post(SHOW, content=b"x" * 2000, headers={"Origin": origin})
        preflight = await caller.options(SHOW, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        stranger = await caller.get(SHOW, headers={"Origin": "https://elsewhere.example.com"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (413, origin)
    assert {"X-Request-ID", "Link", "Content-Disposition"} <= set(answer.headers["access-control-expose-headers"].split(", "))
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, origin)
    assert "access-control-allow-origin" not in stranger.headers
