"""The one place that turns a failure into an answer (RFC 9457)."""

import json
import math
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from src.app.models.organizations import UnfitBody
from src.app.process.redaction import redacted_text, shown_path
from src.app.process.refusals import MEDIA_TYPE, TYPE_PREFIX
from src.core.base.faults import MOST_FLAWS, Fault, Flaw, Missing, NotYours, Rejected, TooLarge, Unauthenticated, first_flaws
from src.core.base.names import did_you_mean

CHALLENGE: Final = 'ApiKey realm="convergence"'
# What a fault adds of its own may not take the place of what every problem document says.
RESERVED: Final = frozenset({"type", "title", "status", "detail", "instance", "request_id", "errors", "errors_left_out"})
LONGEST_INSTANCE: Final = 300
LONGEST_FIELD: Final = 200
SHOWN_FLAWS: Final = 3
SERVER_FAULT: Final = 500
BAD_REQUEST: Final = 400
# HTTP gives these no body: one that is sent would be read as the beginning of the next answer.
BODILESS: Final = frozenset({204, 205, 304})
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

BY_STATUS: Final[Mapping[int, tuple[str, str]]] = {
    405: ("method-not-allowed", "This address does not take that method"),
    406: ("not-acceptable", "The answer does not exist in that form"),
    415: ("unsupported-media-type", "The body is in a form this does not take"),
    **{fault.status: (fault.code, fault.title) for fault in (Unauthenticated, NotYours, Missing, TooLarge, Rejected)},
}
# What a caller can do about it, where the validator only says what it saw. None of them repeats the input: it may be a secret.
MENDS: Final[Mapping[str, str]] = {
    "missing": "is required; add it",
    "extra_forbidden": "is not known here; remove it or check its spelling",
    "model_attributes_type": "must be a JSON object; send one with Content-Type: application/json",
    "dict_type": "must be a JSON object",
}

log = structlog.get_logger("problems")


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    code: str
    title: str
    detail: str
    flaws: Sequence[Flaw] = ()
    left_out: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def of_fault(fault: Fault) -> Problem:
    headers = {}
    if fault.retry_after is not None:
        # whole seconds are all it takes; rounded down, who waits as told would come too early and be refused again
        headers["Retry-After"] = str(max(1, math.ceil(fault.retry_after)))
    if fault.status == Unauthenticated.status:
        # RFC 9110 asks for a challenge with every 401
        headers["WWW-Authenticate"] = CHALLENGE
    detail = f"{fault.detail}{_beyond(fault.flaws, fault.left_out)}"
    return Problem(fault.status, fault.code, fault.title, detail, fault.flaws, fault.left_out, fault.facts, headers)


def of_invalid(wrong: RequestValidationError, known: Sequence[str] = ()) -> Problem:
    flaws, left_out = first_flaws(wrong.errors(), lambda error: _flaw(error, wrong.body, known))
    for part in (wrong.body if isinstance(wrong.body, list) else [wrong.body]) if known else ():
        # of a request's unknown fields its model shows the validator no more than are told here
        left_out += max(0, sum(name not in known for name in part) - MOST_FLAWS) if isinstance(part, Mapping) else 0
    shown = "; ".join(f"{flaw.field}: {flaw.message}" for flaw in flaws[:SHOWN_FLAWS])
    more = f"; and {len(flaws) - SHOWN_FLAWS} more, see errors" if len(flaws) > SHOWN_FLAWS else ""
    detail = f"{shown}{_beyond(flaws, left_out) or more}"
    return Problem(Rejected.status, Rejected.code, Rejected.title, detail, flaws, left_out)


def _beyond(flaws: Sequence[Flaw], left_out: int) -> str:
    return f"; see the first {len(flaws)} in errors, and {left_out:,} more" if left_out else ""


def of_http(wrong: HTTPException, request: Request) -> Problem:
    if wrong.status_code == BAD_REQUEST:  # what the framework says of a body that it cannot even begin to check
        unreadable = "the body cannot be read as JSON: send one JSON object in UTF-8, not deeply nested, its numbers of ordinary length"
        return Problem(Rejected.status, Rejected.code, Rejected.title, unreadable, [Flaw("cannot be read", "body")])
    code, title = BY_STATUS.get(wrong.status_code, (f"http-{wrong.status_code}", "The request failed"))
    headers = dict(wrong.headers or {})
    detail = str(wrong.detail)
    # the framework's own words where no route matched, which say nothing to do
    if wrong.status_code == Missing.status and detail == "Not Found":
        detail = f"nothing is served at {_instance(request.scope)}; check the address"
    if wrong.status_code == 405:  # noqa: PLR2004 - the one status whose answer must list what is allowed
        headers["Allow"] = allowed = ", ".join(_allowed(request)) or headers.get("Allow", "")
        detail = f"{request.method} is not served at {_instance(request.scope)}; use {allowed}"
    return Problem(wrong.status_code, code, title, detail, headers=headers)


def unexpected(request_id: str) -> Problem:
    return Problem(500, "unexpected", "Something failed inside", f"this is our fault, not yours; quote {request_id} when you report it")


def doubled_header(name: str) -> Problem:
    return Problem(BAD_REQUEST, "doubled-header", "A header stands twice", f"{name} stands twice in this request; send it once")


def problem_body(problem: Problem, scope: MutableMapping[str, Any]) -> bytes:
    state = scope.setdefault("state", {})
    state["problem"] = problem.code
    body: dict[str, Any] = {
        "type": f"{TYPE_PREFIX}{problem.code}",
        "title": problem.title,
        "status": problem.status,
        # a key sent by mistake in a name, which is said back so that it can be found
        "detail": redacted_text(problem.detail),
        "instance": _instance(scope),
        "request_id": state.get("request_id"),
    }
    if problem.flaws:
        body["errors"] = [
            {
                name: value
                for name, value in (
                    ("field", flaw.field and redacted_text(flaw.field)),
                    ("message", redacted_text(flaw.message)),
                    ("file", flaw.file),
                    ("line", flaw.line),
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
    known = wrong.known if isinstance(wrong, UnfitBody) else _known_fields(request)
    return problem_response(of_invalid(wrong, known), request.scope)


async def _on_http(request: Request, wrong: HTTPException) -> Response:
    return problem_response(of_http(wrong, request), request.scope)


def _flaw(error: Mapping[str, Any], body: object, known: Sequence[str]) -> Flaw:
    where, *path = error["loc"]
    if error["type"] == "json_invalid":
        place = path[0] if path and isinstance(path[0], int) else 0
        line = body.count("\n", 0, place) + 1 if isinstance(body, str) else None
        why = error.get("ctx", {}).get("error", "it cannot be read")
        return Flaw(f"is not JSON: {why}" + (f" on line {line}" if line else ""), "body", line=line)
    if where != "body":
        path = [where, *path]
    message = MENDS.get(error["type"], str(error["msg"]).removeprefix("Value error, "))
    if error["type"] == "extra_forbidden" and len(path) == 1:
        message += did_you_mean(str(path[0]), known)
    return Flaw(message, redacted_text(_dotted(path))[:LONGEST_FIELD] or "body")


def _known_fields(request: Request) -> Sequence[str]:
    """The fields of the body that this address takes; none where it takes others beside them."""
    body = getattr(request.scope.get("route"), "body_field", None)
    model = body.field_info.annotation if body is not None else None
    if not isinstance(model, type) or not issubclass(model, BaseModel) or model.model_config.get("extra") != "forbid":
        return ()
    return tuple(model.model_fields)


def _dotted(path: Sequence[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


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
