"""The sandbox's Google Cloud over HTTP."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from src.sandbox.gcp.bigquery import PAGE, BigQuery, Paging
from src.sandbox.gcp.callers import Gate
from src.sandbox.gcp.problems import Failed, GoogleProblem, Json
from src.sandbox.gcp.queries import Queries
from src.sandbox.gcp.tokens import READS_BIGQUERY, Bearer, TokenRefused, Tokens

LARGEST_FORM = 64 * 1024
PROJECT = "/bigquery/v2/projects/{project}"
LARGEST_QUESTION = 10 * 1024 * 1024


class Service:
    def __init__(self, tokens: Tokens, gate: Gate, bigquery: BigQuery, queries: Queries) -> None:
        self._tokens = tokens
        self._gate = gate
        self._bigquery = bigquery
        self._queries = queries
        self.app = Router(
            [
                Route("/token", self._token, methods=["POST"]),
                Route(f"{PROJECT}/queries", self._query, methods=["POST"]),
                Route(f"{PROJECT}/queries/{{job}}", self._results),
                Route(f"{PROJECT}/jobs/{{job}}", self._job),
                Route(f"{PROJECT}/datasets", self._datasets),
                Route(f"{PROJECT}/datasets/{{dataset}}/tables", self._tables),
                Route(f"{PROJECT}/datasets/{{dataset}}/tables/{{table}}", self._table),
            ]
        )

    async def _token(self, request: Request) -> Response:
        body = await request.body()
        if len(body) > LARGEST_FORM:
            return JSONResponse({"error": "invalid_request", "error_description": "Request too large"}, status_code=400)
        form = dict(parse_qsl(body.decode(errors="replace")))
        try:
            # the first token of an account may have to wait until its key is made
            return JSONResponse(await run_in_threadpool(self._tokens.grant, form, str(request.url)))
        except TokenRefused as refused:
            return JSONResponse(refused.body, status_code=400)

    async def _datasets(self, request: Request) -> Response:
        return self._answer(request, lambda bearer: self._bigquery.datasets(bearer, request.path_params["project"], _paging(request)))

    async def _tables(self, request: Request) -> Response:
        return self._answer(request, lambda bearer: self._bigquery.tables(bearer, **request.path_params, paging=_paging(request)))

    async def _table(self, request: Request) -> Response:
        return self._answer(request, lambda bearer: self._bigquery.table(bearer, **request.path_params))

    async def _query(self, request: Request) -> Response:
        body = await request.body()
        # days that nobody has asked for yet are made first, which takes its time
        return await run_in_threadpool(
            self._answer, request, lambda bearer: self._queries.ask(bearer, request.path_params["project"], _opened(body))
        )

    async def _job(self, request: Request) -> Response:
        return self._answer(request, lambda bearer: self._queries.job(bearer, **request.path_params))

    async def _results(self, request: Request) -> Response:
        return self._answer(request, lambda bearer: self._queries.results(bearer, **request.path_params, paging=_paging(request)))

    def _answer(self, request: Request, ask: Callable[[Bearer], Json]) -> Response:
        try:
            return JSONResponse(ask(self._gate.admit(request.headers.get("authorization", ""), READS_BIGQUERY)))
        except Failed as failed:
            return JSONResponse(failed.problem.body, status_code=failed.problem.code)


def _opened(body: bytes) -> Json:
    try:
        found: Any = json.loads(body) if len(body) <= LARGEST_QUESTION else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Failed(GoogleProblem(400, "INVALID_ARGUMENT", "parseError", "Parse Error"))
    return found


def _paging(request: Request) -> Paging:
    asked = request.query_params.get("maxResults", "")
    return Paging(int(asked) if asked.isdecimal() and asked.isascii() else PAGE, request.query_params.get("pageToken"))
