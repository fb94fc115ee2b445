"""How often somebody may call: a sliding minute per organisation, for the root key, and per address for whoever has no valid key.

Counted here and not by the `limits` package: its store in memory walks every known address on each request (1.3 ms at 10,000 of them),
or enters a thread for each, and keeps as many addresses as somebody cares to send from.
"""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from src.core.base.clock import Clock, SystemClock
from src.core.base.faults import Throttled
from src.core.base.settings import Settings

Kind = Literal["org", "root", "anonymous"]
Scope = MutableMapping[str, Any]

WINDOW_SECONDS: Final = 60
ROUNDING: Final = 1e-6  # of a call: who waited as told may come a rounding too early
# About 200 bytes each. Who is forgotten first is who has not called for longest.
REMEMBERED: Final = 20_000
# A provider hands a household or a server a whole /64, so that is who is counted.
IPV6_NETWORK: Final = 64
NO_ADDRESS: Final = "unknown"
NAMES: Final[Mapping[Kind, bytes]] = {"org": b'"org"', "root": b'"root"', "anonymous": b'"anonymous"'}
OVER: Final[Mapping[Kind, str]] = {
    "org": "this organisation has used its requests for this minute",
    "root": "the root key has used its requests for this minute",
    "anonymous": "too many requests without a valid key came from this address",
}


class Admission(NamedTuple):
    kind: Kind
    limit: int
    remaining: int
    reset_seconds: int
    admitted: bool = True

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        name = NAMES[self.kind]
        return (
            (b"ratelimit-policy", b"%s;q=%d;w=%d" % (name, self.limit, WINDOW_SECONDS)),
            (b"ratelimit", b"%s;r=%d;t=%d" % (name, self.remaining, self.reset_seconds)),
        )


@dataclass(slots=True)
class _Count:
    minute: int
    now: int = 0
    before: int = 0

    def at(self, minute: int) -> "_Count":
        if minute != self.minute:
            self.before = self.now if minute == self.minute + 1 else 0
            self.now = 0
            self.minute = minute
        return self


@dataclass(slots=True)
class _Window:
    """The calls of the last 60 seconds: those of this minute, and of the one before as many as its share that still counts."""

    kind: Kind
    limit: int
    counts: "OrderedDict[str, _Count]" = field(default_factory=OrderedDict)

    def look(self, bucket: str, now: float) -> Admission:
        minute, passed = divmod(now, WINDOW_SECONDS)
        share = passed / WINDOW_SECONDS
        count = self.counts.get(bucket)
        if count is None:
            count = _Count(int(minute))
            self._remember(bucket, count)
        else:
            self.counts.move_to_end(bucket)
            count.at(int(minute))
        used = count.before * (1 - share) + count.now
        if used + 1 > self.limit + ROUNDING:
            # a refused call is not counted: else who goes on asking would never get in again
            return Admission(self.kind, self.limit, 0, self._wait(count, share), admitted=False)
        count.now += 1
        return Admission(self.kind, self.limit, max(0, math.floor(self.limit - used - 1)), math.ceil(WINDOW_SECONDS - passed))

    def _remember(self, bucket: str, count: _Count) -> None:
        self.counts[bucket] = count
        if len(self.counts) > REMEMBERED:
            self.counts.popitem(last=False)

    def _wait(self, count: _Count, share: float) -> int:
        """Seconds until one more call fits: within this minute when the last one's share shrinks enough, else in the next."""
        if count.now + 1 <= self.limit:
            free_at = 1 - (self.limit - 1 - count.now) / count.before
        else:
            free_at = 1 + max(0.0, 1 - (self.limit - 1) / count.now)
        return max(1, math.ceil((free_at - share) * WINDOW_SECONDS))


class Limiter:
    """Lives on the event loop: nothing here waits, so no two calls are counted at once."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._enabled = settings.rate_limit_enabled
        self._hops = settings.trusted_proxy_hops
        # apart, so that no number of strange addresses pushes an organisation out of what is remembered
        self._windows: Mapping[Kind, _Window] = {
            "org": _Window("org", settings.rate_limit_org_per_minute),
            "root": _Window("root", settings.rate_limit_root_per_minute),
            "anonymous": _Window("anonymous", settings.rate_limit_anonymous_per_minute),
        }

    async def admit(self, scope: Scope, kind: Kind, bucket: str) -> None:
        """Counts one call, or raises Throttled; either way the answer will say how much is left."""
        if self._enabled:
            _settle(scope, self._windows[kind].look(bucket, self._clock.monotonic()))

    async def admit_anonymous(self, scope: Scope) -> None:
        """For a call without a key, and for one whose key was refused."""
        await self.admit(scope, "anonymous", client_address(scope, self._hops))


def client_address(scope: Mapping[str, Any], hops: int) -> str:
    """Who called, as the outermost trusted proxy saw it; a client may write anything further left in X-Forwarded-For."""
    peer = scope.get("client")
    address = str(peer[0]) if peer else NO_ADDRESS
    if hops:
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1").split(",")
        # fewer entries than proxies: it did not come through them all, so whoever connected is who called
        if len(forwarded) >= hops:
            address = _without_port(forwarded[-hops].strip()) or address
    return _network(address) or NO_ADDRESS


def _settle(scope: Scope, admission: Admission) -> None:
    scope.setdefault("state", {})["admission"] = admission
    if not admission.admitted:
        raise Throttled(
            f"{OVER[admission.kind]} ({admission.limit} in {WINDOW_SECONDS} seconds); try again in {admission.reset_seconds} seconds",
            retry_after=admission.reset_seconds,
        )


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    # a bare IPv6 address has several colons, none of them before a port
    return text.partition(":")[0] if text.count(":") == 1 else text


def _network(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    # as IPv6 all of IPv4 lies in one /64, so every such caller would be counted as the same one
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))
