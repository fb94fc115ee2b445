"""The one place that turns a failure into an answer (RFC 9457)."""

import json
import math
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from src.app.edge.addresses import addresses_of
from src.app.edge.invalid import flaws_of
from src.app.process import codes
from src.app.process.codes import Code, code_of
from src.app.process.redaction import redacted_text, shown_path
from src.app.process.refusals import MEDIA_TYPE
from src.core.base.faults import Fault, Flaw, Missing, NotYours, Rejected, TooLarge, Unauthenticated

CHALLENGE: Final = 'ApiKey realm="convergence", Bearer realm="convergence"'
# What a fault adds of its own may not take the place of what every problem document says.
RESERVED: Final = frozenset({"type", "title", "status", "detail", "instance", "request_id", "errors", "errors_left_out"})
LONGEST_INSTANCE: Final = 300
SHOWN: Final = "/:@*{}"
# a stop before another mark or a second one at the end of a word; not those of an ellipsis, nor of a path
STOP_BEFORE: Final = re.compile(r"(?<![.\s])\.(?=[;:,](?:\s|$)|\.(?:\s|$))")
SHOWN_FLAWS: Final = 3
SERVER_FAULT: Final = 500
BAD_REQUEST: Final = 400
# HTTP gives these no body: one that is sent would be read as the beginning of the next answer.
BODILESS: Final = frozenset({204, 205, 304})
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

BY_STATUS: Final[Mapping[int, Code]] = {
    code.status: code
    for code in (
        codes.METHOD_NOT_ALLOWED,
        codes.NOT_ACCEPTABLE,
        codes.UNSUPPORTED_MEDIA_TYPE,
        *map(code_of, (Unauthenticated, NotYours, Missing, TooLarge, Rejected)),
    )
}

log = structlog.get_logger("problems")


@dataclass(frozen=True, slots=True)
class Problem:
    code: Code
    detail: str
    flaws: Sequence[Flaw] = ()
    left_out: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return self.code.status


def of_fault(fault: Fault) -> Problem:
    headers = {}
    if fault.retry_after is not None:
        # whole seconds are all it takes; rounded down, who waits as told would come too early and be refused again
        headers["Retry-After"] = str(max(1, math.ceil(fault.retry_after)))
    if fault.status == Unauthenticated.status:
        # RFC 9110 asks for a challenge with every 401
        headers["WWW-Authenticate"] = CHALLENGE
    detail = f"{fault.detail}{_beyond(fault.flaws, fault.left_out)}"
    return Problem(code_of(type(fault)), detail, fault.flaws, fault.left_out, fault.facts, headers)


def of_invalid(wrong: RequestValidationError, request: Request) -> Problem:
    flaws, left_out = flaws_of(wrong, request)
    shown = "; ".join(f"{flaw.field}: {flaw.message}" for flaw in flaws[:SHOWN_FLAWS])
    more = f"; and {len(flaws) - SHOWN_FLAWS} more, see errors" if len(flaws) > SHOWN_FLAWS else ""
    return Problem(code_of(Rejected), f"{shown}{_beyond(flaws, left_out) or more}", flaws, left_out)


def _beyond(flaws: Sequence[Flaw], left_out: int) -> str:
    return f"; see the first {len(flaws)} in errors, and {left_out:,} more" if left_out else ""


def of_http(wrong: HTTPException, request: Request) -> Problem:
    if wrong.status_code == BAD_REQUEST:  # what the framework says of a body that it cannot even begin to check
        unreadable = "the body cannot be read as JSON: send one JSON object in UTF-8, not deeply nested, its numbers of ordinary length"
        return Problem(code_of(Rejected), unreadable, [Flaw("cannot be read", "body")])
    headers = dict(wrong.headers or {})
    detail = str(wrong.detail)
    # the framework's own words where no route matched, which say nothing to do
    if wrong.status_code == Missing.status and detail == "Not Found":
        return _not_served(request)
    if wrong.status_code == codes.METHOD_NOT_ALLOWED.status:  # the one status whose answer must list what is allowed
        headers["Allow"] = allowed = ", ".join(_allowed(request)) or headers.get("Allow", "")
        detail = f"{request.method} is not served at {_instance(request.scope)}; use {allowed}"
    return Problem(BY_STATUS.get(wrong.status_code, codes.UNEXPECTED), detail, headers=headers)


def _not_served(request: Request) -> Problem:
    addresses, path = addresses_of(request.app), shown_path(request.scope["path"], LONGEST_INSTANCE)
    nearest = addresses.nearest(path)
    if nearest is not None and nearest == path.rstrip("/"):
        return Problem(code_of(Missing), f"an address here has no slash at its end; use {quote(nearest, safe=SHOWN)}")
    beneath, there = addresses.known(path)
    meant = f"; did you mean {quote(nearest, safe=SHOWN)}?" if nearest is not None else "; check the address."
    return Problem(
        code_of(Missing),
        f"nothing is served at {_instance(request.scope)}{meant} Under {quote(beneath, safe=SHOWN)} there is {', '.join(there)}",
    )


def unexpected(request_id: str) -> Problem:
    return Problem(codes.UNEXPECTED, f"this is our fault, not yours; quote {request_id} when you report it")


def doubled_header(name: str) -> Problem:
    return Problem(codes.DOUBLED_HEADER, f"{name} stands twice in this request; send it once")


def problem_body(problem: Problem, scope: MutableMapping[str, Any]) -> bytes:
    state = scope.setdefault("state", {})
    state["problem"] = problem.code.name
    body: dict[str, Any] = {
        "type": problem.code.address,
        "title": problem.code.title,
        "status": problem.status,
        # a key sent by mistake in a name, which is said back so that it can be found
        "detail": _said(problem.detail),
        "instance": _instance(scope),
        "request_id": state.get("request_id"),
    }
    if problem.flaws:
        body["errors"] = [
            {
                name: value
                for name, value in (
                    ("field", flaw.field and redacted_text(flaw.field)),
                    ("message", _said(flaw.message)),
                    ("file", flaw.file),
                    ("line", flaw.line),
                    ("column", flaw.column),
                )
                if value
            }
            for flaw in problem.flaws
        ]
    if problem.left_out:
        body["errors_left_out"] = problem.left_out
    body.update({name: value for name, value in problem.facts.items() if name not in RESERVED and value is not None})
    # half a character, which JSON may hold escaped, has no UTF-8: said back in a refusal, it would break the refusal
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")


def problem_response(problem: Problem, scope: MutableMapping[str, Any]) -> Response:
    if problem.status in BODILESS:
        return Response(status_code=problem.status, headers=dict(problem.headers))
    return Response(problem_body(problem, scope), status_code=problem.status, headers=dict(problem.headers), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    app.exception_handler(Fault)(_on_fault)
    app.exception_handler(RequestValidationError)(_on_invalid)
    app.exception_handler(HTTPException)(_on_http)


async def _on_fault(request: Request, fault: Fault) -> Response:
    if fault.status >= SERVER_FAULT:
        await log.aerror("request.fault", code=fault.code, detail=str(fault), cause=repr(fault.__cause__) if fault.__cause__ else None)
    return problem_response(of_fault(fault), request.scope)


async def _on_invalid(request: Request, wrong: RequestValidationError) -> Response:
    return problem_response(of_invalid(wrong, request), request.scope)


async def _on_http(request: Request, wrong: HTTPException) -> Response:
    return problem_response(of_http(wrong, request), request.scope)


def _said(text: str) -> str:
    """Of others' words, with which a sentence of ours goes on, the full stop is taken."""
    return STOP_BEFORE.sub("", redacted_text(text))


def _instance(scope: Mapping[str, Any]) -> str:
    return quote(shown_path(scope["path"], LONGEST_INSTANCE), safe="/:@*")


def _allowed(request: Request) -> list[str]:
    """Every method of this address; the router itself names those of the first route only."""
    asked = {"type": "http", "path": request.scope["path"], "root_path": request.scope.get("root_path", ""), "headers": []}
    return [
        method
        for method in METHODS
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in request.app.router.routes)
    ]
