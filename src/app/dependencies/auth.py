"""Who calls. This is where tenants are minted; every route says in `x-access` which of these it asks."""

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, NoReturn

import structlog
from fastapi import Request, Response
from fastapi.routing import APIRoute

from src.app.dependencies.audited import note
from src.app.dependencies.conditional import conditional as conditional_answers
from src.app.dependencies.limits import Limiter
from src.app.dependencies.parameters import check_parameters, parameters_of
from src.app.wiring import Parts
from src.core.base.faults import Fault, NotYours, Unauthenticated
from src.core.base.identity import Actor, ActorKind, Tenant
from src.core.base.names import API_KEY, OrgSlug, key_hash, org_slug
from src.core.base.threads import blocking
from src.core.ledger.tables import keys
from src.core.ledger.tables.keys import KeyRecord

log = structlog.get_logger("auth")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Access = Literal["anyone", "root", "org", "root_or_org"]

USER_ID_HEADER, USER_ID_LENGTH = "X-User-ID", 128
READS = frozenset({"GET", "HEAD", "OPTIONS"})
CACHED_KEYS = 10_000
SHORTEST_LOOK_SECONDS = 0.1  # between two looks whether the key of a stream still lives
TOUCH_EVERY_SECONDS = 3600.0  # last_used_at is a hint for people; one write an hour and key is enough

ROOT_HEADER, OLD_ROOT_HEADER, ORG_HEADER = "X-CA-Root-Key", "X-Admin-Key", "X-API-Key"
BEARER_HEADER, BEARER = "Authorization", "bearer"
# Written into the OpenAPI document by hand: as dependencies of their own they cost a request a quarter of its time.
SCHEMES: Mapping[str, Mapping[str, str]] = {
    "RootKey": {"type": "apiKey", "in": "header", "name": ROOT_HEADER, "description": "The platform admin's key"},
    "AdminKey": {"type": "apiKey", "in": "header", "name": OLD_ROOT_HEADER, "description": "The same key under its older header"},
    "OrgKey": {"type": "apiKey", "in": "header", "name": ORG_HEADER, "description": "An organisation's key"},
    "OrgBearer": {"type": "http", "scheme": "bearer", "description": f"The same key, where {ORG_HEADER} has none"},
}
ROOT_PLACE, ORG_PLACE = f"send it in the header {ROOT_HEADER}", f"send it in the header {ORG_HEADER}"
ROOT_NEEDED = f"this call needs the root key, in the header {ROOT_HEADER}"
ORG_NEEDED = f"this call needs an organisation's key, in the header {ORG_HEADER}"
NO_KEY = "an organisation's key is {org_slug}_api_ and 16 letters and digits; send it so, alone, without quotes or a word before it"
ROOT_SCHEMES, ORG_SCHEMES = ("RootKey", "AdminKey"), ("OrgKey", "OrgBearer")
OPENED_BY: Mapping[Access, Sequence[str]] = {
    "anyone": (),
    "root": ROOT_SCHEMES,
    "org": ORG_SCHEMES,
    "root_or_org": (*ROOT_SCHEMES, *ORG_SCHEMES),
}


class Admin(NamedTuple):
    """The platform admin, known by the root key."""

    actor: Actor
    parts: Parts

    def tenant(self, slug: str, generation: int | None = None) -> Tenant:
        return Tenant(org_slug(slug), self.parts.settings.environment, generation)


class CurrentOrg(NamedTuple):
    """An organisation, known by its key."""

    actor: Actor
    tenant: Tenant
    key: KeyRecord | None


@dataclass(slots=True)
class _SeenKey:
    record: KeyRecord
    tenant: Tenant
    read_at: float

    def opens(self, now: datetime) -> bool:
        return self.record.usable(now) and self.record.org_status == "ACTIVE"


@dataclass(slots=True)
class KeyCache:
    """Keys seen within the last seconds, so that a request costs no ledger read. Revoking here forgets at once."""

    parts: Parts
    _held: OrderedDict[str, _SeenKey] = field(default_factory=OrderedDict)
    _forgotten: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _touching: set[asyncio.Task[None]] = field(default_factory=set)

    async def find(self, hashed: str) -> _SeenKey | None:
        held = self._held.get(hashed)
        now = self.parts.clock.monotonic()
        if held is not None and now - held.read_at < self.parts.settings.auth_cache_seconds:
            return held
        # the age counts from before the read: a slow one must not lengthen how long a key is believed
        forgotten = self._forgotten
        record = await self.parts.glance(keys.find, hashed)
        if record is None:
            # unknown keys are not kept: whoever guesses would push out those that are in use
            self._held.pop(hashed, None)
            return None
        tenant = Tenant(OrgSlug(record.org_slug), self.parts.settings.environment, record.org_generation)
        held = _SeenKey(record, tenant, now)
        if forgotten == self._forgotten:  # else it was read before somebody revoked it
            self._keep(hashed, held)
        self._touch_soon(record)
        return held

    def _keep(self, hashed: str, held: _SeenKey) -> None:
        self._held[hashed] = held
        self._held.move_to_end(hashed)
        while len(self._held) > CACHED_KEYS:
            self._held.popitem(last=False)

    def _touch_soon(self, record: KeyRecord) -> None:
        """Beside the request: a hint for people must not hold up or refuse a valid key."""
        now = self.parts.clock.now()
        stale = record.last_used_at is None or (now - record.last_used_at).total_seconds() > TOUCH_EVERY_SECONDS
        if stale and record.usable(now):
            touching = asyncio.create_task(self._touch(record.key_hash, now))
            # the loop itself holds a task only weakly: it could be collected before it is done
            self._touching.add(touching)
            touching.add_done_callback(self._touching.discard)

    async def _touch(self, hashed: str, at: datetime) -> None:
        try:
            await blocking(self.parts.ledger.write, keys.touch, hashed, at)
        except Fault as fault:
            log.warning("key.not_touched", code=fault.code, detail=fault.detail)

    async def settle(self) -> None:
        """Before the ledger closes."""
        await asyncio.gather(*self._touching)

    async def ends(self, record: KeyRecord) -> None:
        """Waits until this key opens nothing any more: at once where it is revoked here, else as soon as a new request would be refused."""
        while True:
            # taken before the look, so that what changes in between is not missed
            changed = self._changed
            try:
                living = await self.living(record)
            # nobody can say that it lives, and a new request with it would be refused too
            except Fault:
                return
            if living is None:
                return
            within = self.parts.settings.auth_cache_seconds
            if living.expires_at is not None:
                within = min(within, (living.expires_at - self.parts.clock.now()).total_seconds())
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), max(SHORTEST_LOOK_SECONDS, within))

    async def living(self, record: KeyRecord) -> KeyRecord | None:
        held = await self.find(record.key_hash)
        return held.record if held is not None and held.opens(self.parts.clock.now()) else None

    def forget(self, slug: str | None = None) -> None:
        """One organisation's keys, or all."""
        self._forgotten += 1
        self._changed.set()
        self._changed = asyncio.Event()
        for hashed in [hashed for hashed, held in self._held.items() if slug is None or held.record.org_slug == slug]:
            del self._held[hashed]


class Door:
    """All that asking who calls takes, found once a request."""

    def __init__(self, parts: Parts, limiter: Limiter) -> None:
        self.parts = parts
        self.keys = KeyCache(parts)
        self.limiter = limiter
        root = parts.settings.ca_root_api_key
        # hashed: `compare_digest` takes no text beyond ASCII, and gives away by its time that lengths differ
        self._root = hashlib.sha256(root.get_secret_value().encode()).digest() if root else None

    def is_root_key(self, given: str) -> bool:
        return self._root is not None and hmac.compare_digest(hashlib.sha256(given.encode()).digest(), self._root)


def door_of(request: Request) -> Door:
    door: Door = request.scope["app"].state.door
    return door


def parts_of(request: Request) -> Parts:
    return door_of(request).parts


async def verify_admin_key(request: Request, opens: Access = "root") -> Admin:
    door = door_of(request)
    if door.parts.settings.disable_auth:
        return Admin(_actor(request, "root"), door.parts)
    given = _root_key(request)
    if not given or not door.is_root_key(given):
        await _refuse_misplaced(request, opens, given, *([_org_key(request)] if opens == "root" else []))
    if not given:
        await _refuse(request, "this call needs the root key in the header X-CA-Root-Key")
    if not door.is_root_key(given):
        await _refuse(request, "the root key is not the one this service was started with (CA_ROOT_API_KEY)")
    await door.limiter.admit(request.scope, "root", "root")
    return Admin(_actor(request, "root"), door.parts)


async def get_current_org(request: Request, opens: Access = "org") -> CurrentOrg:
    """The organisation of the key; a path that names another one is refused."""
    door = door_of(request)
    named: str | None = request.path_params.get("org_slug")
    if door.parts.settings.disable_auth:
        tenant = Tenant(org_slug(named or "anyone"), door.parts.settings.environment)
        return CurrentOrg(_actor(request, "org", tenant.org_slug), tenant, None)
    api_key = _org_key(request)
    if not api_key:
        await _refuse_misplaced(request, "org", _root_key(request))
        await _refuse(request, "this call needs an organisation's key in the header X-API-Key")
    held = await _living_key(request, door, api_key, opens)
    # only now: a key that was refused must not use up what belongs to the organisation it names
    await door.limiter.admit(request.scope, "org", held.tenant.org_slug)
    actor = _actor(request, "org", held.tenant.org_slug, held.record.fingerprint)
    if named is not None and named != held.tenant.org_slug:
        await _refuse_foreign(request, actor)
    return CurrentOrg(actor, held.tenant, held.record)


async def get_admin_or_current_org(request: Request) -> Admin | CurrentOrg:
    if _root_key(request) or parts_of(request).settings.disable_auth:
        return await verify_admin_key(request, "root_or_org")
    if not _org_key(request):
        await _refuse(request, "this call needs the organisation's key in X-API-Key, or the root key in X-CA-Root-Key")
    return await get_current_org(request, "root_or_org")


ASKS: Mapping[Access, Callable[[Request], Awaitable[Admin | CurrentOrg]] | None] = {
    "anyone": None,
    "root": verify_admin_key,
    "org": get_current_org,
    "root_or_org": get_admin_or_current_org,
}


def access(who: Access, *, conditional: bool = False) -> dict[str, Any]:
    """What a route declares: it stands in the OpenAPI document, and `KeyedRoute` asks for it."""
    told = {"x-conditional": True} if conditional else {}
    return {"openapi_extra": {"x-access": who, **told, "security": [{scheme: []} for scheme in OPENED_BY[who]]}}


class KeyedRoute(APIRoute):
    """Asks who calls before anything else of the request is read, its body included. A dependency would cost a sixth of a request."""

    def get_route_handler(self) -> Handler:
        declared = self.openapi_extra or {}
        handle = self.served(super().get_route_handler())
        if "x-conditional" in declared:
            handle = conditional_answers(handle)
        known = parameters_of(self.dependant)
        # no default: a route that declares nothing breaks at the start instead of standing open
        ask = ASKS[declared["x-access"]]
        if ask is None:
            return handle

        async def keyed(request: Request) -> Response:
            request.scope.setdefault("state", {})["caller"] = await ask(request)
            if request.scope["query_string"]:
                check_parameters(request, known)
            return await handle(request)

        return keyed

    def served(self, handle: Handler) -> Handler:
        """What stands between the caller, who is known by then, and the route."""
        return handle


def caller_of(request: Request) -> Admin | CurrentOrg:
    caller: Admin | CurrentOrg = request.scope["state"]["caller"]
    return caller


def admin_of(request: Request) -> Admin:
    caller = caller_of(request)
    if not isinstance(caller, Admin):
        raise NotYours("this call is the platform admin's")
    return caller


def org_of(request: Request) -> CurrentOrg:
    caller = caller_of(request)
    if not isinstance(caller, CurrentOrg):
        raise NotYours("this call is an organisation's own")
    return caller


def _root_key(request: Request) -> str | None:
    return request.headers.get(ROOT_HEADER) or request.headers.get(OLD_ROOT_HEADER)


def _org_key(request: Request) -> str | None:
    """In front of a cloud's own check of identities the bearer is the cloud's, so the header of our own comes first."""
    given = request.headers.get(ORG_HEADER)
    if given:
        return given
    scheme, _, token = request.headers.get(BEARER_HEADER, "").partition(" ")
    return token.strip() or None if scheme.lower() == BEARER else None


async def _living_key(request: Request, door: Door, api_key: str, opens: Access) -> _SeenKey:
    refused = "this key is unknown, expired or revoked; ask the platform admin for a new one"
    # what cannot be a key costs the ledger no read
    if not API_KEY.fullmatch(api_key):
        await _refuse_misplaced(request, opens, api_key)
        await _refuse(request, NO_KEY)
    held = await _opening(door, api_key)
    if held is None:
        await _refuse(request, refused)
    return held


async def _opening(door: Door, api_key: str) -> _SeenKey | None:
    """What this key opens now, if anything."""
    hashed = key_hash(api_key)
    held = await door.keys.find(hashed)
    if held is None or not hmac.compare_digest(held.record.key_hash, hashed):
        return None
    # asked of a remembered key too, for it may end meanwhile; in the same words, so that a guess learns nothing from them
    return held if held.opens(door.parts.clock.now()) else None


async def _refuse_misplaced(request: Request, opens: Access, *given: str | None) -> None:
    """Who has a valid key is told where it belongs, or which other one this call needs."""
    door = door_of(request)
    for one in given:
        if one is not None and door.is_root_key(one):
            await door.limiter.admit(request.scope, "root", "root")
            _actor(request, "root")
            raise NotYours(f"this is the root key; {ORG_NEEDED if opens == 'org' else ROOT_PLACE}")
        if one is None or not API_KEY.fullmatch(one):
            continue
        held = None
        # it is refused either way; where keys cannot be looked up only the better words are missing
        with suppress(Fault):
            held = await _opening(door, one)
        if held is not None:
            await door.limiter.admit(request.scope, "org", held.tenant.org_slug)
            _actor(request, "org", held.tenant.org_slug, held.record.fingerprint)
            raise NotYours(f"this is an organisation's key; {ROOT_NEEDED if opens == 'root' else ORG_PLACE}")


async def _refuse(request: Request, why: str) -> NoReturn:
    """Refused keys count against the address."""
    await door_of(request).limiter.admit_anonymous(request.scope)
    raise Unauthenticated(why)


async def _refuse_foreign(request: Request, actor: Actor) -> NoReturn:
    fault = NotYours("this key belongs to another organisation than the path names; use that organisation's own key")
    # the audit trail is of changes; a read that was refused is none
    if request.method not in READS:
        called = f"{request.method} {request.url.path}"
        await note(parts_of(request), actor, "organizations.foreign", called, org_slug=None, outcome="DENIED", fault=fault)
    raise fault


def _user_id(request: Request) -> str | None:
    said = request.headers.get(USER_ID_HEADER)
    if said is None:
        return None
    # headers arrive as latin-1; what callers mean is UTF-8
    text = said.encode("latin-1").decode("utf-8", "replace")
    # it stands in the audit trail as the caller wrote it: a line end in it could pass for another entry
    return "".join(letter for letter in text if letter.isprintable())[:USER_ID_LENGTH] or None


def _actor(request: Request, kind: ActorKind, slug: OrgSlug | None = None, key_fingerprint: str | None = None) -> Actor:
    state = request.scope.setdefault("state", {})
    actor = Actor(
        kind=kind,
        org_slug=slug,
        user_id=_user_id(request),
        key_fingerprint=key_fingerprint,
        request_id=state.get("request_id"),
    )
    state["actor"] = actor
    return actor
