"""What a channel may be told to be. Everything wrong with it is told at once, by field and with the mend."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypedDict

from email_validator import EmailNotValidError, validate_email

from src.core.base.events import EVENT_TYPES, ChannelKind, EventType
from src.core.base.faults import Flaw, Rejected
from src.core.base.names import did_you_mean
from src.core.base.redaction import redacted_text
from src.core.base.secret import Secret

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}", re.ASCII)
CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
RECIPIENTS: Final = 50
DIGEST_TIME: Final = "08:00"
# what is told of a wrong word, which may be of any length
SHOWN: Final = 80
# these are meant for one channel, which whoever makes them names
FOR_ONE: Final = frozenset({"channel.test", "run.reached"})
FOR_CHANNELS: Final = tuple(name for name in EVENT_TYPES if name not in FOR_ONE)
USUAL: Final[Mapping[ChannelKind, tuple[EventType, ...]]] = {
    # people do not want to hear each day that all is well
    "email": tuple(name for name in FOR_CHANNELS if name != "run.succeeded"),
    "slack": tuple(name for name in FOR_CHANNELS if name != "run.succeeded"),
    "webhook": FOR_CHANNELS,
}
OWN: Final[Mapping[ChannelKind, frozenset[str]]] = {
    "email": frozenset({"recipients", "quiet_hours", "digest_time"}),
    "slack": frozenset({"url", "quiet_hours", "digest_time"}),
    "webhook": frozenset({"url"}),
}
EVERY: Final = frozenset({"name", "is_active", "events"})


class QuietHours(TypedDict):
    start: str
    end: str


class ChannelTerms(TypedDict, total=False):
    """What is left out stays as it is, or gets what is usual. `None` takes away what may be missing."""

    name: str
    is_active: bool
    events: Sequence[str] | None
    recipients: Sequence[str]
    url: Secret
    quiet_hours: QuietHours | None
    digest_time: str | None


def check(kind: ChannelKind, terms: ChannelTerms) -> None:
    flaws = [Flaw(f"is nothing that a channel of kind {kind} has; leave it out", name) for name in terms if name not in OWN[kind] | EVERY]
    for name, tell in CHECKS.items():
        if name in terms:
            flaws += [Flaw(message, name) for message in tell(terms[name])]  # type: ignore[literal-required] # each name is one of the terms
    if flaws:
        raise Rejected(f"{flaws[0].field} {flaws[0].message}", flaws=flaws)


def columns_of(terms: ChannelTerms) -> dict[str, Any]:
    """As the ledger has them, but for the address, which is sealed first."""
    told: dict[str, Any] = {name: terms[name] for name in ("name", "is_active") if name in terms}
    if "events" in terms:
        told["events"] = None if terms["events"] is None else tuple(dict.fromkeys(terms["events"]))
    if "recipients" in terms:
        # one that stands twice, in whatever letters, gets one mail
        told["recipients"] = tuple({address.lower(): _normal(address) for address in terms["recipients"]}.values())
    if "quiet_hours" in terms:
        quiet = terms["quiet_hours"]
        told |= {"quiet_start": quiet and quiet["start"], "quiet_end": quiet and quiet["end"]}
    if "digest_time" in terms:
        told["digest_time"] = terms["digest_time"] or DIGEST_TIME
    return told


def _name(name: str) -> list[str]:
    if not NAME.fullmatch(name):
        return ["begins with a letter or a digit and has 64 letters, digits, blanks, dots, - and _ at most; write it like Finance team"]
    return ["looks like a key, and would be masked in every log; choose another"] if redacted_text(name) != name else []


def _events(names: Sequence[str] | None) -> list[str]:
    if names is None:
        return []
    if not names:
        return ["names none; leave it out for the usual ones, or set is_active to false to be told nothing"]
    unknown = [name for name in names if name not in FOR_CHANNELS]
    known = ", ".join(FOR_CHANNELS)
    return [f"{name[:SHOWN]!r} is no event{did_you_mean(name, FOR_CHANNELS)}; the events are {known}" for name in unknown]


def _recipients(addresses: Sequence[str]) -> list[str]:
    if not 0 < len(addresses) <= RECIPIENTS:
        return [f"are {len(addresses)}, and a channel has 1 to {RECIPIENTS}; give more people one address that reaches them all"]
    return [wrong for address in addresses if (wrong := _no_address(address))]


def _no_address(address: str) -> str | None:
    try:
        validate_email(address, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as wrong:
        return f"{address[:SHOWN]!r} is no e-mail address: {wrong}"
    return None


def _normal(address: str) -> str:
    # as every mail server takes it: a domain of other letters by its name in ASCII
    return validate_email(address, check_deliverability=False, allow_smtputf8=False).ascii_email or address


def _quiet_hours(quiet: QuietHours | None) -> list[str]:
    if quiet is None:
        return []
    wrong = [f"{word}: {_no_time(quiet[word])}" for word in ("start", "end") if _no_time(quiet[word])]
    return wrong or (["start and end are the same; leave them out to be told at any hour"] if quiet["start"] == quiet["end"] else [])


def _digest_time(told: str | None) -> list[str]:
    return [wrong] if told is not None and (wrong := _no_time(told)) else []


def _no_time(text: str) -> str | None:
    return None if CLOCK.fullmatch(text) else f"{text[:SHOWN]!r} is no time of day; write it like 22:00, in the organisation's zone"


CHECKS: Final[Mapping[str, Callable[[Any], list[str]]]] = {
    "name": _name,
    "events": _events,
    "recipients": _recipients,
    "quiet_hours": _quiet_hours,
    "digest_time": _digest_time,
}
