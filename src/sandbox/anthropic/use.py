"""What was used on a day: bursts at minutes of their own, so that buckets of any width hold the same and add up to the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b

from src.sandbox.anthropic.organizations import FIRST_DAY, ClaudeOrganization, midnight
from src.sandbox.anthropic.work import API_PRODUCTS, WORK, ClaudeWork

BURSTS = 3
MINUTES_A_DAY = 1440
WEEKEND = 5
TOKEN_KINDS = ("input", "read", "write_5m", "write_1h", "out")


@dataclass(frozen=True, slots=True)
class ClaudeUse:
    work: ClaudeWork
    at: datetime
    known_from: date
    requests: int
    amounts: Mapping[str, int]
    """By kind, as its work has them."""

    @property
    def day(self) -> date:
        return self.at.date()

    @property
    def of_api(self) -> bool:
        return self.work.product in API_PRODUCTS


def used(organization: ClaudeOrganization, day: date, now: datetime) -> Iterator[ClaudeUse]:
    """As it is known now; of today what has been by now."""
    if FIRST_DAY <= day <= now.date():
        yield from (one for one in _day(organization, day) if one.known_from <= now.date() and one.at <= now)


@lru_cache(maxsize=1024)
def _day(organization: ClaudeOrganization, day: date) -> tuple[ClaudeUse, ...]:
    there = (None, *organization.workspaces)
    does = {"", *organization.does, *(("enterprise",) if organization.enterprise else ())}
    return tuple(
        use
        for work in WORK
        if not organization.idle and work.workspace_name in there and work.since <= day <= work.until and work.only in does
        for use in _bursts(organization, day, work)
    )


def _bursts(organization: ClaudeOrganization, day: date, work: ClaudeWork) -> Iterator[ClaudeUse]:
    for burst in range(BURSTS):
        chance = _chance(organization.name, day, work.name, burst)
        # two thirds to four thirds of a third of the day's
        requests = max(1, work.requests * (200 + chance % 201) // 900)
        requests = requests if day.weekday() < WEEKEND else max(1, requests // 3)
        amounts = {name: requests * one * (900 + _chance(chance, name) % 201) // 1000 for name, one in work.one.items()}
        # each of its prompts stays as long as it is said to be
        amounts["input"] = max(amounts["input"], requests * (work.over + 1)) if work.over else amounts["input"]
        amounts["searches"] = requests * work.one["searches"]
        late = 1 + chance % organization.restates if organization.restates and burst == BURSTS - 1 else 0
        at = midnight(day) + timedelta(minutes=(chance // 1000) % MINUTES_A_DAY)
        yield ClaudeUse(work, at, day + timedelta(late), requests, amounts)


def _chance(*told: object) -> int:
    return int.from_bytes(blake2b("/".join(map(str, told)).encode(), digest_size=8).digest())
