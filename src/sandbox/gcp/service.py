"""The sandbox's Google Cloud over HTTP."""

import threading
from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from src.sandbox.gcp.bigquery import NARROW_SCOPE, PAGE, RATE_LIMIT, UNAUTHENTICATED, UNAVAILABLE, BigQuery, Failed, Json, Paging, Problem
from src.sandbox.gcp.tokens import Bearer, Refused, Tokens

LARGEST_FORM = 64 * 1024
PROJECT = "/bigquery/v2/projects/{project}"
TROUBLES = {"rateLimitExceeded": RATE_LIMIT, "unavailable": UNAVAILABLE}
Trouble = Literal["rateLimitExceeded", "unavailable"]


class Service:
    def __init__(self, tokens: Tokens, bigquery: BigQuery) -> None:
        self._tokens = tokens
        self._bigquery = bigquery
        self._lock = threading.Lock()
        self._troubles: list[Problem] = []
        self.app = Router(
            [
                Route("/token", self._token, methods=["POST"]),
                Route(f"{PROJECT}/datasets", self._datasets),
                Route(f"{PROJECT}/datasets/{{dataset}}/tables", self._tables),
                Route(f"{PROJECT}/datasets/{{dataset}}/tables/{{table}}", self._table),
            ]
        )

    def trouble(self, kind: Trouble, times: int) -> None:
        with self._lock:
            self._troubles += [TROUBLES[kind]] * times

    async def _token(self, request: Request) -> Response:
        body = await request.body()
        if len(body) > LARGEST_FORM:
            return JSONResponse({"error": "invalid_request", "error_description": "Request too large"}, status_code=400)
        form = dict(parse_qsl(body.decode(errors="replace")))
        try:
            # the first token of an account may have to wait until its key is made
            return JSONResponse(await run_in_threadpool(self._tokens.grant, form, str(request.url)))
        except Refused as refused:
            return JSONResponse(refused.body, status_code=400)

    async def _datasets(self, request: Request) -> Response:
        return self._answer(request, lambda bearer: self._bigquery.datasets(bearer, request.path_params["project"], _paging(request)))

    async def _tables(self, request: Request) -> Response:
        return self._answer(request, lambda bearer: self._bigquery.tables(bearer, **request.path_params, paging=_paging(request)))

    async def _table(self, request: Request) -> Response:
        return self._answer(request, lambda bearer: self._bigquery.table(bearer, **request.path_params))

    def _answer(self, request: Request, ask: Callable[[Bearer], Json]) -> Response:
        with self._lock:
            trouble = self._troubles.pop(0) if self._troubles else None
        if trouble is not None:
            return JSONResponse(trouble.body, status_code=trouble.code)
        try:
            return JSONResponse(ask(self._bearer(request)))
        except Failed as failed:
            return JSONResponse(failed.problem.body, status_code=failed.problem.code)

    def _bearer(self, request: Request) -> Bearer:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        bearer = self._tokens.bearer(token) if scheme.lower() == "bearer" else None
        if bearer is None:
            raise Failed(UNAUTHENTICATED)
        if not bearer.reads_bigquery:
            raise Failed(NARROW_SCOPE)
        return bearer


def _paging(request: Request) -> Paging:
    asked = request.query_params.get("maxResults", "")
    return Paging(int(asked) if asked.isdecimal() and asked.isascii() else PAGE, request.query_params.get("pageToken"))
