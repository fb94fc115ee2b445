"""The organisation's API of Anthropic: who may ask, what is asked, and the answer as Anthropic gives it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from secrets import token_hex
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from src.sandbox.anthropic import analytics, claude_code, console, lists
from src.sandbox.anthropic.asked import missing
from src.sandbox.anthropic.facts import Told
from src.sandbox.anthropic.keys import ORDINARY, AnthropicKeys, ClaudeKey
from src.sandbox.anthropic.problems import AnthropicProblem, bad
from src.sandbox.key_files import SLOW_SECONDS, WAIT_SECONDS, WEBPAGE

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# what documents ask for, and what the newest client says
VERSIONS = frozenset({"2023-06-01", "2026-10-21"})
SPENT = "enforced_spend_limit_reached"
Asked = Callable[[Request, ClaudeKey], Mapping[str, Any]]


class AnthropicService:
    def __init__(self, keys: AnthropicKeys, now: Callable[[], datetime]) -> None:
        self._keys = keys
        self._now = now

    @property
    def app(self) -> ASGIApp:
        asked: Mapping[str, Asked] = {
            "/me": lambda _, key: {"id": key.owner.id, "type": "organization", "name": key.owner.name},
            "/workspaces": self._workspaces,
            "/api_keys": lambda request, key: lists.listed(lists.api_keys(key.owner), request.query_params),
            "/users": lambda request, key: lists.listed(lists.users(key.owner), request.query_params),
            "/usage_report/messages": self._usage,
            "/cost_report": self._costs,
            "/usage_report/claude_code": self._claude_code,
            "/analytics/usage": partial(self._analytics, "used"),
            "/analytics/cost": partial(self._analytics, "charged"),
        }
        routes = [Route(f"/v1/organizations{path}", self._answering(path, one), methods=METHODS) for path, one in asked.items()]
        return Router(routes, redirect_slashes=False, default=_unknown)

    def _answering(self, path: str, asked: Asked) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                key = self._admitted(request, path)
                if key.mood == "slow":
                    await asyncio.sleep(SLOW_SECONDS)
                if key.mood == "webpage":
                    return HTMLResponse(WEBPAGE)
                told = json.dumps(asked(request, key), separators=(",", ":")).encode()
            except AnthropicProblem as problem:
                return _refusal(problem)
            told = told[: len(told) // 2] if key.mood == "broken" else told
            named = {"request-id": f"req_01{token_hex(11)}", "anthropic-organization-id": key.owner.id}
            return Response(told, media_type="application/json", headers=named)

        return answer

    def _admitted(self, request: Request, path: str) -> ClaudeKey:
        if request.method != "GET":
            raise AnthropicProblem(405, "Method Not Allowed")
        if request.headers.get("anthropic-version") not in VERSIONS:
            raise bad("anthropic-version: header is required")
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        text = request.headers.get("x-api-key") or (bearer if scheme.lower() == "bearer" else "")
        if not text:
            raise AnthropicProblem(401, "x-api-key header is required")
        key = self._keys.of(text)
        if key is None or key.mood == "revoked" or key.begins == ORDINARY:
            raise AnthropicProblem(401, "invalid x-api-key")
        _suffer(key)
        analytics = path.startswith("/analytics/")
        if key.analytics_only and not analytics:
            raise AnthropicProblem(403, "This API key does not have the required scope. Use an Admin API key.")
        if key.owner.enterprise and path in ("/usage_report/messages", "/usage_report/claude_code", "/cost_report"):
            raise AnthropicProblem(403, "This endpoint is not available for your organization type.")
        return key

    def _workspaces(self, request: Request, key: ClaudeKey) -> Mapping[str, Any]:
        archived = request.query_params.get("include_archived") == "true"
        return lists.listed(lists.workspaces(key.owner, self._now(), archived=archived), request.query_params)

    def _usage(self, request: Request, key: ClaudeKey) -> Mapping[str, Any]:
        now = self._now()
        return console.page(console.usage_question(request.query_params.multi_items(), now, _betas(request)), key.owner, now)

    def _costs(self, request: Request, key: ClaudeKey) -> Mapping[str, Any]:
        now = self._now()
        return console.page(console.cost_question(request.query_params.multi_items(), now), key.owner, now)

    def _claude_code(self, request: Request, key: ClaudeKey) -> Mapping[str, Any]:
        return claude_code.page(request.query_params.multi_items(), key.owner, self._now())

    def _analytics(self, told: Told, request: Request, key: ClaudeKey) -> Mapping[str, Any]:
        return analytics.page(told, request.query_params.multi_items(), key.owner, self._now(), _betas(request))


def _suffer(key: ClaudeKey) -> None:
    if key.mood in ("throttled", "busy"):
        after = {"retry-after": str(WAIT_SECONDS)} if key.mood == "throttled" else {}
        raise AnthropicProblem(429, "This request would exceed your organization's rate limit. Please try again later.", headers=after)
    if key.mood == "spent":
        raise AnthropicProblem(429, "Your organization has reached its monthly spend limit.", code=SPENT)
    if key.mood == "failing":
        raise AnthropicProblem(500, "Internal server error")
    if key.mood == "overloaded":
        raise AnthropicProblem(529, "Overloaded")


def _betas(request: Request) -> str:
    return ",".join(request.headers.getlist("anthropic-beta"))


def _refusal(problem: AnthropicProblem) -> Response:
    return Response(json.dumps(problem.body), problem.status, problem.headers, "application/json")


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    await _refusal(missing(str(scope["path"]).removeprefix(scope.get("root_path", ""))))(scope, receive, send)
