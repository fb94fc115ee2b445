"""What may go wrong with a provider that is asked over HTTP: what the wire does, what is told, what stays.

`docs/reference/provider-faults.md` shows this table, and a test holds it to it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from src.core.base.faults import CredentialRefused, Fault, Misconfigured, StepFailed, Throttled, Unavailable
from tests.fakes.spoiling_proxy import PassedOn

LONG_WAIT = 90.0
WEBPAGE = b"<!doctype html><title>Sign in</title><p>This network asks you to sign in first."
TEXT = re.compile(rb'"value":\s*"([^"]+)"')
Refuse = Callable[[int, str], bytes]
"""A provider's own words for a status: of a wrong key, of a scope that lacks, or others."""
Spoils = Callable[[PassedOn, Sequence[PassedOn], Refuse], PassedOn]
Status = Literal["VALID", "INVALID", "UNREACHABLE"]


@dataclass(frozen=True, kw_only=True)
class WireFault:
    name: str
    spoils: Spoils
    fault: type[Fault] | None
    """None: nothing is wrong, and the right figures are told."""
    says: str = ""
    retried: bool = False
    """Whether the step asks again by itself; a fault that comes once is gone then."""
    run: Status = "VALID"
    """How the credential stands after a run that met it, and after `validate` did."""
    validate: Status | None = None
    """None: `validate` asks for one page and what is on it is not read."""
    clock: int = 0
    """The service's clock is off by so many days."""
    path: str = ""
    """Of a load, where it is another than that of the other rows."""
    hasty: bool = False
    """The service waits for no answer longer than a moment."""


def answering(status: int, kind: str = "", **headers: str) -> Spoils:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def spoil(true: PassedOn, _: Sequence[PassedOn], refuse: Refuse) -> PassedOn:
        return PassedOn(status, {"content-type": "application/json", **named}, refuse(status, kind))

    return spoil


def page_of_html(status: int) -> Spoils:
    return lambda *_: PassedOn(status, {"content-type": "text/html"}, WEBPAGE)


def changed(**how: bool) -> Spoils:
    return lambda true, *_: replace(true, **how)


def told_otherwise(change: Callable[[dict[str, Any]], object]) -> Spoils:
    def spoil(true: PassedOn, _: Sequence[PassedOn], __: Refuse) -> PassedOn:
        told = true.told
        change(told)
        return true.telling(told)

    return spoil


def _repeated(true: PassedOn, before: Sequence[PassedOn], _: Refuse) -> PassedOn:
    return before[-1] if before else true


def _ends(told: dict[str, Any]) -> None:
    told.update(has_more=False, next_page=None)


def _names_none(told: dict[str, Any]) -> None:
    told.update(has_more=True, next_page="")


def _without_results(told: dict[str, Any]) -> None:
    del told["data"][0]["results"]


def _as_numbers(true: PassedOn, _: Sequence[PassedOn], __: Refuse) -> PassedOn:
    """The sandbox writes texts; digit for digit, which a float could not."""
    body, times = TEXT.subn(rb'"value":\1', true.body)
    assert times
    return replace(true, body=body)


TABLE: Sequence[WireFault] = (
    WireFault(
        name="wrong or revoked key",
        spoils=answering(401, "key"),
        fault=CredentialRefused,
        says="answered 401",
        run="INVALID",
        validate="INVALID",
    ),
    WireFault(
        name="right that lacks",
        spoils=answering(403, "scope"),
        fault=CredentialRefused,
        says="answered 403",
        run="INVALID",
        validate="INVALID",
    ),
    WireFault(
        name="refused by a proxy",
        spoils=page_of_html(403),
        fault=Unavailable,
        says="the answer is no JSON, so it says nothing of the credential",
        retried=True,
        validate="UNREACHABLE",
    ),
    WireFault(
        name="not found", spoils=answering(404), fault=Misconfigured, says="or PROVIDER_URLS leads elsewhere", validate="UNREACHABLE"
    ),
    WireFault(
        name="too many requests, with Retry-After",
        spoils=answering(429, retry_after=f"{LONG_WAIT:g}"),
        fault=Throttled,
        says="answered 429",
        retried=True,
        validate="VALID",
    ),
    WireFault(name="too many requests", spoils=answering(429), fault=Throttled, says="answered 429", retried=True, validate="VALID"),
    WireFault(name="server error", spoils=answering(500), fault=Unavailable, says="answered 500", retried=True, validate="UNREACHABLE"),
    WireFault(
        name="body cut short",
        spoils=changed(cut=True),
        fault=Unavailable,
        says="could not be reached",
        retried=True,
        validate="UNREACHABLE",
    ),
    WireFault(
        name="wrong content type", spoils=page_of_html(200), fault=Unavailable, says="is no JSON", retried=True, validate="UNREACHABLE"
    ),
    WireFault(
        name="slow answer",
        spoils=changed(held=True),
        fault=Unavailable,
        says="did not answer within",
        retried=True,
        validate="UNREACHABLE",
        hasty=True,
    ),
    WireFault(name="page repeated", spoils=_repeated, fault=StepFailed, says="out of turn"),
    WireFault(name="pages that end early", spoils=told_otherwise(_ends), fault=StepFailed, says="tells of no day from"),
    WireFault(name="more pages, and none named", spoils=told_otherwise(_names_none), fault=StepFailed, says="tells of no day from"),
    WireFault(name="bucket without results", spoils=told_otherwise(_without_results), fault=StepFailed, says="is not of the shape"),
    WireFault(name="amounts as texts, and as numbers", spoils=_as_numbers, fault=None, validate="VALID", path="/costs"),
    WireFault(name="clock ahead", spoils=changed(), fault=StepFailed, says="see that this machine's clock is right", clock=1),
    WireFault(name="clock behind", spoils=changed(), fault=None, clock=-1),
)
BY_NAME: Mapping[str, WireFault] = {one.name: one for one in TABLE}


def as_json(told: object) -> bytes:
    return json.dumps(told).encode()
