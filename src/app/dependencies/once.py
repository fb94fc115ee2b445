"""POSTs that count their Idempotency-Key: sent again, the same request is answered again, and its work is done once.

A request under a key is noted in the ledger before its work, marked done in the unit of the work, and given its answer after it. Who
sends it again finds it noted: answered, it is answered again; under way, it is asked to wait; left by a process that was stopped, it is
gone on with.
"""

import hashlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, Literal, TypeVar

import structlog
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from src.app.dependencies.auth import Admin, CurrentOrg, Handler, KeyedRoute, caller_of, parts_of
from src.core.base.faults import Conflict, Fault, Flaw, Misconfigured, NotYours, Rejected
from src.core.base.identity import Undertaking
from src.core.base.redaction import redacted_text
from src.core.base.secret import Secret
from src.core.base.threads import blocking
from src.core.ledger.tables import answers
from src.core.ledger.tables.answers import AlreadyNoted, NotedRequest
from src.core.step import audit_trail

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
LONGEST_KEY: Final = 200
SHORTEST_UNGUESSED: Final = 32  # a UUID without its dashes
# nobody works on a request for as long; where no other process can, one that was stopped is known at once
HELD: Final = timedelta(minutes=5)
AGAIN_SECONDS: Final = 2.0
LONGEST_ANSWER: Final = 1_000_000
SHOWN: Final = 200
HIDDEN: Final = "\x1f"  # JSON has it escaped, so that it stands nowhere else in an answer
KEPT_HEADERS: Final = ("location", "etag", "link")
SERVER_ERROR: Final = 500
REFUSAL: Final = 400
PARAMETER: Final[Mapping[str, Any]] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
}

Recover = Callable[[Request, NotedRequest], Awaitable[BaseModel]]
Opened = Callable[[Request, Mapping[str, Any], str], Awaitable[Secret | None]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

log = structlog.get_logger("once")


@dataclass(frozen=True, slots=True)
class Repeat:
    """How a request is answered again."""

    again: Recover | Literal["redo"] | None = None
    """Where the answer was lost with a process that was stopped after the work: what was made, told anew. `redo` is of work that comes to
    the same when it is done twice. Without either the caller is told that it was done."""
    secret: str | None = None
    """The field of the answer that is not kept; `opened` finds it by its SHA-256 where it is kept sealed."""
    opened: Opened | None = None
    rebuilds: bool = False
    """The work may make the management tables, or make them anew."""


REDO: Final = Repeat("redo")
_REPEATS: Final[dict[Callable[..., Any], Repeat]] = {}


def once(how: Repeat) -> Callable[[Endpoint], Endpoint]:
    """Stands under a POST of a router whose route class is OnceRoute."""

    def marked(endpoint: Endpoint) -> Endpoint:
        _REPEATS[endpoint] = how
        return endpoint

    return marked


def kept_key(value: str) -> str:
    if not 1 <= len(value) <= LONGEST_KEY or not value.isascii() or not value.isprintable():
        raise ValueError(f"takes 1 to {LONGEST_KEY} printable ASCII characters; a UUID serves well")
    # of a key sent by mistake only what tells it from others is kept
    return value if redacted_text(value) == value else f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"


class OnceRoute(KeyedRoute):
    def __init__(self, path: str, endpoint: Callable[..., Any], *, openapi_extra: dict[str, Any] | None = None, **told: Any) -> None:
        self.repeat = _REPEATS.get(endpoint)
        if self.repeat is not None:
            openapi_extra = {**(openapi_extra or {}), "parameters": [dict(PARAMETER)]}
        super().__init__(path, endpoint, openapi_extra=openapi_extra, **told)

    def served(self, handle: Handler) -> Handler:
        repeat = self.repeat
        if repeat is None:
            return handle

        async def serve(request: Request) -> Response:
            given = request.headers.get(HEADER)
            if given is None:
                return await handle(request)
            asked = await _Asked.of(request, given, repeat)
            return await asked.answer(handle, self.status_code or 200)

        return serve


@dataclass(frozen=True, slots=True)
class _Asked:
    request: Request
    caller: Admin | CurrentOrg
    repeat: Repeat
    undertaking: Undertaking
    resource: str
    org_slug: str | None
    guessable: bool

    @classmethod
    async def of(cls, request: Request, given: str, repeat: Repeat) -> "_Asked":
        try:
            key = kept_key(given)
        except ValueError as wrong:
            raise Rejected(f"{HEADER} {wrong}", flaws=[Flaw(str(wrong), f"header.{HEADER}")]) from None
        caller, parts = caller_of(request), parts_of(request)
        own = caller.tenant if isinstance(caller, CurrentOrg) else None
        # the organisation and not the one of its keys: after a rotation it asks with another
        whose = ["root"] if own is None else ["org", own.org_slug, own.generation]
        path, query = request.url.path, sorted(request.query_params.multi_items())
        asked = [request.method, path, query, _canonical(await request.body())]
        undertaking = Undertaking(
            undertaking_id=f"once_{_digest([*whose, key])}",
            holder=f"{parts.lifetime}:{parts.ids.new()}",
            # with the key, so that equal requests of two callers do not show as such
            request=_digest([key, *asked]),
            rebuilds=repeat.rebuilds,
        )
        named: str | None = request.path_params.get("org_slug")
        return cls(
            request=request,
            caller=caller,
            repeat=repeat,
            undertaking=undertaking,
            resource=redacted_text(f"{request.method} {path}"[:SHOWN]),
            org_slug=named and named[:SHOWN] if own is None else own.org_slug,
            guessable=len(given) < SHORTEST_UNGUESSED,
        )

    async def answer(self, handle: Handler, status: int) -> Response:
        parts = parts_of(self.request)
        begin = partial(answers.begin, actor=self.caller.actor, undertaking=self.undertaking, **self._told())
        try:
            await blocking(parts.ledger.write, begin)
        except AlreadyNoted:
            answered = await self._met(status)
            if answered is not None:
                return answered
        except Misconfigured:
            # before the bootstrap its table lacks, or columns of it; the mark of the work is what notes it then
            if not self.repeat.rebuilds:
                raise
        return await self._worked(handle)

    def _told(self) -> dict[str, Any]:
        return {"org_slug": self.org_slug, "resource": self.resource, "at": parts_of(self.request).clock.now()}

    async def _met(self, status: int) -> Response | None:
        """What stands already; None where the work is now this request's."""
        parts = parts_of(self.request)
        noted = await parts.glance(answers.seen, self.undertaking.undertaking_id)
        if noted is None:
            raise _busy()
        if noted.noted_at + answers.KEPT <= parts.clock.now():
            await self._take_over(noted)
            return None
        if noted.request != self.undertaking.request:
            raise Conflict(f"the {HEADER} was used for other work ({noted.resource}); send another key", resource=noted.resource)
        self._require_own(noted)
        if noted.answer is not None:
            return await self._replay(noted, noted.answer)
        if self._under_way(noted):
            raise _busy()
        if not noted.done or self.repeat.again == "redo":
            await self._take_over(noted)
            return None
        if self.repeat.again is None:
            raise Conflict(
                f"the request under this {HEADER} was done ({noted.resource}), but its answer was lost; look at what is there, and send "
                "another key for further work",
                resource=noted.resource,
            )
        await self._take_over(noted, done=True)
        told = await self.repeat.again(self.request, noted)
        recovered = Response(told.model_dump_json(), status_code=status, media_type="application/json")
        await self._keep(recovered)
        return await self._shown(noted, recovered)

    def _under_way(self, noted: NotedRequest) -> bool:
        parts = parts_of(self.request)
        # of a process before this one, where there is one at a time
        dead = parts.alone and not noted.holder.startswith(f"{parts.lifetime}:")
        return noted.holder != answers.NOBODY and not dead and parts.clock.now() < noted.noted_at + HELD

    async def _take_over(self, noted: NotedRequest, *, done: bool = False) -> None:
        write = parts_of(self.request).ledger.write
        take = partial(answers.take_over, actor=self.caller.actor, undertaking=self.undertaking, before=noted, done=done)
        if not await blocking(write, partial(take, **self._told())):
            raise _busy()

    def _require_own(self, noted: NotedRequest) -> None:
        """A key that is being replaced hears of the new one only as the answer to what itself has asked, and not by a guess."""
        key = self.caller.key if isinstance(self.caller, CurrentOrg) else None
        if self.repeat.secret is None or key is None or key.expires_at is None:
            return
        if key.fingerprint != noted.key_fingerprint or self.guessable:
            raise NotYours(
                f"this key is being replaced, and hears again only what it asked for itself, under an {HEADER} of {SHORTEST_UNGUESSED} "
                "characters or more; use the newer key, or the root key"
            )

    async def _worked(self, handle: Handler) -> Response:
        actor = self.caller.actor._replace(undertaking=self.undertaking)
        self.request.scope["state"]["caller"] = self.caller._replace(actor=actor)
        response: Response | None = None
        try:
            response = await handle(self.request)
        finally:
            if response is None or response.status_code >= REFUSAL:
                await self._let_go(refused=_refused(sys.exc_info()[1] if response is None else response))
        if response.status_code < REFUSAL:
            await self._keep(response)
        return response

    async def _let_go(self, *, refused: bool) -> None:
        change = answers.withdraw if refused else answers.let_go
        await self._written(partial(change, undertaking=self.undertaking))

    async def _keep(self, response: Response) -> None:
        answer = self._kept(response)
        if len(answer) > LONGEST_ANSWER:
            await self._let_go(refused=False)
        else:
            at = parts_of(self.request).clock.now()
            await self._written(partial(answers.keep, undertaking=self.undertaking, answer=answer, at=at))

    async def _written(self, change: Callable[..., None]) -> None:
        try:
            await blocking(parts_of(self.request).ledger.write, change)
        # the work is done, and its mark stands with it: who asks again is answered by that
        except Fault as fault:
            log.warning("once.not_written", code=fault.code, detail=fault.detail)

    def _kept(self, response: Response) -> str:
        body, digest = bytes(response.body).decode(), None
        if self.repeat.secret is not None:
            secret = json.loads(body)[self.repeat.secret]
            body, digest = body.replace(secret, HIDDEN), hashlib.sha256(secret.encode()).hexdigest()
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        kind = response.headers.get("content-type")
        return json.dumps({"status": response.status_code, "headers": headers, "type": kind, "body": body, "secret": digest})

    async def _replay(self, noted: NotedRequest, answer: str) -> Response:
        kept = json.loads(answer)
        body: str = kept["body"]
        if kept["secret"] is not None:
            # the sign that stands for the secret is one that JSON would have escaped
            told = json.loads(body, strict=False)
            opened = await self.repeat.opened(self.request, told, kept["secret"]) if self.repeat.opened else None
            if opened is None:
                raise Conflict(f"what the first answer held was revoked, replaced or removed since ({noted.resource}); make another")
            body = body.replace(HIDDEN, opened.reveal())
        return await self._shown(noted, Response(body, kept["status"], headers=kept["headers"], media_type=kept["type"]))

    async def _shown(self, noted: NotedRequest, response: Response) -> Response:
        response.headers[REPLAYED] = "true"
        if self.repeat.secret is not None:
            parts = parts_of(self.request)
            actor, action = self.caller.actor, "requests.replay"
            await blocking(parts.ledger.write, audit_trail.note, parts, actor, action, noted.resource, org_slug=noted.org_slug)
        return response


def _busy() -> Conflict:
    return Conflict(f"the first request under this {HEADER} is being worked on; send it again in a moment", retry_after=AGAIN_SECONDS)


def _refused(wrong: BaseException | Response | None) -> bool:
    """It was told what is wrong with it; anything else may have broken off in the midst of its work."""
    if isinstance(wrong, RequestValidationError):
        return True
    if isinstance(wrong, Fault):
        return wrong.status < SERVER_ERROR
    return isinstance(wrong, (HTTPException, Response)) and wrong.status_code < SERVER_ERROR


def _digest(told: list[Any]) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _canonical(body: bytes) -> str:
    """The same object in another order or spacing is the same request."""
    try:
        return json.dumps(json.loads(body), sort_keys=True)
    # what is no JSON, or nested too deeply to be read, is compared as it is
    except (ValueError, RecursionError):
        return hashlib.sha256(body).hexdigest()
