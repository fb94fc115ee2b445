"""The edge: one pure ASGI layer around everything, because each layer more costs every request."""

from collections.abc import Sequence
from time import perf_counter

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.app.edge import problems
from src.app.edge.access import AccessLine, AccessLog
from src.app.edge.body import counted, too_large
from src.app.edge.trace import Trace, read_trace
from src.app.process.logs import REQUEST
from src.app.process.metrics import Meter
from src.core.base.names import Environment
from src.core.base.settings import Settings

log = structlog.get_logger("http")

Headers = Sequence[tuple[bytes, bytes]]

UNMATCHED = "unmatched"
CLIENT_GONE = 499  # nginx's number for a caller who left before the answer
SECURITY: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
CSP = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
NO_STORE = (b"cache-control", b"no-store")
AUTH_OFF = (b"x-auth-disabled", b"true")
EXPOSED = (
    "X-Request-ID",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "traceresponse",
    "Location",
    "Link",
    "Content-Disposition",
    "ETag",
    "Idempotency-Replayed",
)
# who calls, and for which work: of two it could only be guessed which is meant
ONCE = ("X-API-Key", "X-CA-Root-Key", "X-Admin-Key", "Authorization", "Idempotency-Key")
ACCEPTED = (
    "X-API-Key",
    "Authorization",
    "X-CA-Root-Key",
    "X-Admin-Key",
    "X-User-ID",
    "X-Request-ID",
    "Idempotency-Key",
    "Last-Event-ID",
    "If-None-Match",
    "Content-Type",
    "traceparent",
)


class EdgeMiddleware:
    """Request and trace ids, body limit, security and rate-limit headers, access log, metrics, and the last catch."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._meter = Meter()
        self._limit = settings.max_body_bytes
        # browsers keep HSTS for a year and for every port of a host, which a developer's localhost is better without
        self._fixed = (*SECURITY, *([HSTS] if settings.environment is not Environment.DEVELOPMENT else []))
        if settings.disable_auth:
            self._fixed = (*self._fixed, AUTH_OFF)
        self._access = AccessLog(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        trace = read_trace(headers.get(b"x-request-id"), headers.get(b"traceparent"))
        state = scope.setdefault("state", {})
        state.update(request_id=trace.request_id, trace_id=trace.trace_id, traceparent=trace.header, meter=self._meter)
        REQUEST.set({"request_id": trace.request_id, "trace_id": trace.trace_id})
        exchange = _Exchange(scope, send, self._fixed, trace)
        try:
            # fewer names than headers: one of them stands twice
            doubled = _doubled_key(scope["headers"]) if len(headers) < len(scope["headers"]) else None
            await self._serve(scope, receive, exchange, headers.get(b"content-length"), doubled)
        except Exception:  # the HTTP edge: whatever was not foreseen becomes a 500 that says nothing internal
            log.exception("request.failed", method=scope["method"], route=_route(scope))
            # once an answer has begun there is no other to give: the connection is cut by the server
            if not exchange.status:
                await problems.problem_response(problems.unexpected(trace.request_id), scope)(scope, receive, exchange)
        finally:
            self._record(scope, exchange, trace)

    async def _serve(self, scope: Scope, receive: Receive, exchange: "_Exchange", length: bytes | None, doubled: str | None) -> None:
        if doubled is not None:
            await problems.problem_response(problems.doubled_header(doubled), scope)(scope, receive, exchange)
            return
        # a body without a length, or with one that is none, is counted as it comes
        if length is None or not length.isdigit():
            receive = counted(receive, self._limit)
        elif int(length) > self._limit:
            await problems.problem_response(too_large(self._limit), scope)(scope, receive, exchange)
            return
        await self._app(scope, receive, exchange)

    def _record(self, scope: Scope, exchange: "_Exchange", trace: Trace) -> None:
        seconds = perf_counter() - exchange.started
        route, status, state = _route(scope), exchange.status or CLIENT_GONE, scope["state"]
        self._meter.observe(scope["method"], route, status, seconds)
        self._access.write(
            AccessLine(
                scope["method"],
                route,
                status,
                seconds * 1000,
                trace.request_id,
                trace.trace_id,
                state.get("actor"),
                state.get("problem"),
                scope["path"] if route is UNMATCHED else None,
            )
        )


class _Exchange:
    """One answer on its way out; callable, so that it is the `send` of everything inside."""

    __slots__ = ("_fixed", "_scope", "_send", "_trace", "started", "status")

    def __init__(self, scope: Scope, send: Send, fixed: Headers, trace: Trace) -> None:
        self._scope, self._send, self._fixed, self._trace = scope, send, fixed, trace
        self.started = perf_counter()
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._headers(message.get("headers", ()))
        await self._send(message)

    def _headers(self, given: Headers) -> list[tuple[bytes, bytes]]:
        headers = [*given, *self._fixed]
        names = [name for name, _ in given]
        # the pages of the docs say their own: under this one they could load nothing
        if b"content-security-policy" not in names:
            headers.append(CSP)
        # what a route says of its own wins; all else may hold an organisation's figures, which no cache on the way may keep
        if b"cache-control" not in names:
            headers.append(NO_STORE)
        admission = self._scope["state"].get("admission")
        if admission is not None:
            headers += admission.headers()
        headers.append((b"x-request-id", self._trace.request_id.encode()))
        headers.append((b"traceresponse", self._trace.header.encode()))
        return headers


def install(app: FastAPI, settings: Settings) -> None:
    """CORS goes around the edge, so that a browser may read the edge's own answers too."""
    app.add_middleware(EdgeMiddleware, settings=settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=ACCEPTED,
            expose_headers=EXPOSED,
            max_age=600,
        )


def _doubled_key(headers: Headers) -> str | None:
    """What stands before this service may look at the other of two keys than this service does."""
    names = [name for name, _ in headers]
    return next((name for name in ONCE if names.count(name.lower().encode()) > 1), None)


def _route(scope: Scope) -> str:
    """The template of the route, with the prefixes of the routers it is included by."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    if included is not None:
        return str(included.path_format)
    route = scope.get("route")
    return UNMATCHED if route is None else str(route.path_format)
