"""The organisation's API of OpenAI: who may ask, what is asked, and the answer as OpenAI gives it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from secrets import token_hex
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from src.sandbox.key_files import SLOW_SECONDS, WAIT_SECONDS, WEBPAGE
from src.sandbox.openai import lists
from src.sandbox.openai.keys import READS_MANAGEMENT, READS_USAGE, OpenaiKeys, SandboxKey
from src.sandbox.openai.pages import as_json, page
from src.sandbox.openai.problems import INVALID, NO_KEY, RATE, SERVER, OpenaiProblem, lacking, wrong_key, wrong_method
from src.sandbox.openai.questions import Question
from src.sandbox.openai.reports import COSTS, REPORTS

# all of them come here: this API answers in its own words that it only reads
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
Asked = Callable[[Request, SandboxKey], Mapping[str, Any]]


class OpenaiService:
    def __init__(self, keys: OpenaiKeys, now: Callable[[], datetime]) -> None:
        self._keys = keys
        self._now = now

    @property
    def app(self) -> ASGIApp:
        asked: Mapping[str, tuple[str, Asked]] = {
            **{f"/usage/{name}": (READS_USAGE, self._report(name)) for name in REPORTS if name != COSTS},
            "/costs": (READS_USAGE, self._report(COSTS)),
            "/projects": (READS_MANAGEMENT, self._projects),
            "/projects/{project_id}/api_keys": (READS_MANAGEMENT, self._project_keys),
            "/users": (READS_MANAGEMENT, lambda request, key: lists.listed(lists.users(key.owner), request.query_params)),
            "/admin_api_keys": (READS_MANAGEMENT, lambda request, key: lists.listed(lists.admin_keys(key.owner), request.query_params)),
        }
        routes = [Route(f"/v1/organization{path}", self._answering(*one), methods=METHODS) for path, one in asked.items()]
        return Router(routes, redirect_slashes=False, default=_unknown)

    def _answering(self, scope: str, asked: Asked) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                if request.method != "GET":
                    raise wrong_method(request.method, _path(request.scope))
                key = self._admitted(request, scope)
                if key.mood == "slow":
                    await asyncio.sleep(SLOW_SECONDS)
                if key.mood == "webpage":
                    return HTMLResponse(WEBPAGE)
                told = as_json(asked(request, key))
            except OpenaiProblem as problem:
                return _refusal(problem)
            told = told[: len(told) // 2] if key.mood == "broken" else told
            return Response(told, media_type="application/json", headers={**_named(), "openai-organization": key.owner.id})

        return answer

    def _admitted(self, request: Request, scope: str) -> SandboxKey:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise OpenaiProblem(401, NO_KEY)
        key = self._keys.of(text)
        if key is None or key.mood == "revoked":
            raise wrong_key(text)
        if key.mood in ("throttled", "busy"):
            after = {"retry-after": str(WAIT_SECONDS)} if key.mood == "throttled" else {}
            raise OpenaiProblem(429, "Rate limit reached. Please try again later.", kind=RATE, code="rate_limit_exceeded", headers=after)
        if key.mood == "failing":
            raise OpenaiProblem(500, "The server had an error while processing your request. Sorry about that!", kind=SERVER)
        if scope not in key.scopes:
            raise lacking(scope, key.lacking)
        return key

    def _report(self, name: str) -> Asked:
        def told(request: Request, key: SandboxKey) -> Mapping[str, Any]:
            now = self._now()
            question = Question.read(REPORTS[name], request.query_params.multi_items(), int(now.timestamp()))
            question.check(key.owner)
            return page(question, key.owner, now)

        return told

    def _projects(self, request: Request, key: SandboxKey) -> Mapping[str, Any]:
        archived = request.query_params.get("include_archived") == "true"
        return lists.listed(lists.projects(key.owner, self._now().date(), archived=archived), request.query_params)

    def _project_keys(self, request: Request, key: SandboxKey) -> Mapping[str, Any]:
        return lists.listed(lists.project_keys(key.owner, request.path_params["project_id"]), request.query_params)


def _named() -> dict[str, str]:
    return {"x-request-id": f"req_{token_hex(16)}", "openai-version": "2020-10-01"}


def _refusal(problem: OpenaiProblem) -> Response:
    return Response(as_json(problem.body), problem.status, {**_named(), **problem.headers}, "application/json")


def _path(scope: Scope) -> str:
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    told = f"Invalid URL ({scope['method']} {_path(scope)})"
    await _refusal(OpenaiProblem(404, told, kind=INVALID))(scope, receive, send)
