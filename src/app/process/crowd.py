"""Who is connected: how many there may be, and for how long one may keep the others waiting."""

import asyncio
import errno
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from src.app.process.refusals import Refusal, body_too_slow, head_too_slow
from src.core.base.settings import Settings

log = structlog.get_logger("http")

# What closing a connection costs its caller, from least to most.
NOTHING: Final = 0  # no request is under way
UNFINISHED: Final = 1  # a request whose body has not come yet
STALLED: Final = 2  # an answer of which nothing has been taken for long
BUSY: Final = 3  # never closed for another's sake

EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# Files, databases, providers and this machine's own threads need descriptors as well: a quarter, in these bounds.
RESERVE_LEAST: Final = 64
RESERVE_MOST: Final = 512
LINGER_SECONDS: Final = 2.0
TOLD_EVERY_SECONDS: Final = 60.0
# A time is kept to a fortieth of itself, and never looked at more seldom than that.
PARTS: Final = 40
LONGEST_STEP: Final = 0.25


class Member(Protocol):
    def look(self) -> None: ...
    def worth(self) -> int: ...
    def leave(self) -> None: ...


def room(settings: Settings) -> int:
    """How many connections this process keeps, so that its descriptors last."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return settings.max_connections
    reserve = min(max(descriptors // 4, RESERVE_LEAST), RESERVE_MOST, descriptors // 2)
    return min(settings.max_connections, descriptors - reserve)


@dataclass(slots=True)
class Seldom:
    """Counts what happens often, and says it once a minute."""

    event: str
    facts: Mapping[str, Any]
    counts: dict[str, int] = field(default_factory=dict)
    _again_at: int = 0

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def say(self, now: int, pause: int) -> None:
        if self.counts and now >= self._again_at:
            log.warning(self.event, **self.facts, **self.counts)
            self.counts.clear()
            self._again_at = now + pause


class Crowd:
    """Time is counted in steps, not read from a clock: while the loop is held up no caller grows late by it."""

    def __init__(self, settings: Settings) -> None:
        self.most = room(settings)
        self.body_bytes = settings.max_body_bytes
        self.now = 0
        self._step = min(settings.header_seconds / PARTS, settings.body_seconds / PARTS, LONGEST_STEP)
        self.head_steps = self._steps(settings.header_seconds)
        self.body_steps = self._steps(settings.body_seconds)
        self.linger_steps = self._steps(min(LINGER_SECONDS, settings.header_seconds))
        self.head_too_slow: Refusal = head_too_slow(settings.header_seconds)
        self.body_too_slow: Refusal = body_too_slow(settings.body_seconds)
        # in the order in which each last began a request
        self._members: dict[Member, None] = {}
        self._full = Seldom("connections.full", {"most": self.most})
        self._starved = Seldom("connections.no_descriptors", {"limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0]})

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.set_exception_handler(self._on_trouble)
        self._go_on(loop)

    def admit(self, member: Member) -> bool:
        """Makes room where there is none; no for an answer means that everybody else is in the middle of something."""
        if len(self._members) >= self.most:
            leaving = self._least()
            self._full.count("refused" if leaving is None else "closed")
            if leaving is None:
                return False
            del self._members[leaving]
            leaving.leave()
        self._members[member] = None
        return True

    def began(self, member: Member) -> None:
        # one that was refused is not among them
        if member in self._members:
            del self._members[member]
            self._members[member] = None

    def forget(self, member: Member) -> None:
        self._members.pop(member, None)

    def _least(self) -> Member | None:
        """Of those that cost the least the one that began longest ago."""
        found, least = None, BUSY
        for member in self._members:
            worth = member.worth()
            if worth < least:
                found, least = member, worth
                if worth == NOTHING:
                    break
        return found

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        # first of all: whatever goes wrong below, it is looked at again
        loop.call_later(self._step, self._go_on, loop)
        self.now += 1
        for member in list(self._members):
            member.look()
        self._look_for_descriptors()
        pause = self._steps(TOLD_EVERY_SECONDS)
        self._full.say(self.now, pause)
        self._starved.say(self.now, pause)

    def _look_for_descriptors(self) -> None:
        """The faster of the two loops closes whom it has no descriptor for without a word to anybody."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as wrong:
            if wrong.errno not in EXHAUSTED:
                raise
            self._starved.count("seen")

    def _on_trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        wrong = context.get("exception")
        # the other tells of it hundreds of times a second, with a traceback each
        if isinstance(wrong, OSError) and wrong.errno in EXHAUSTED and "socket" in context:
            self._starved.count("accepts_failed")
        else:
            loop.default_exception_handler(context)

    def _steps(self, seconds: float) -> int:
        return max(1, round(seconds / self._step))
