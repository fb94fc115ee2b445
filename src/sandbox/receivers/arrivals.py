"""What arrived at the sandbox's receivers, and how each of them was told to behave."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

from src.core.base.clock import Clock

ReceiverKind = Literal["mail", "slack", "hooks"]
Behaviour = Literal["well", "refused", "later", "failing", "throttled", "gone", "redirect", "slow", "webpage", "echo"]
BEHAVIOURS: Final[tuple[Behaviour, ...]] = get_args(Behaviour)
# what a demo shows; counted is all of it
MOST_KEPT: Final = 2000


@dataclass(frozen=True, slots=True)
class Manner:
    does: Behaviour = "well"
    secrets: Sequence[str] = ()
    """Of a webhook: what its signatures are held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    number: int
    kind: ReceiverKind
    at: datetime
    to: tuple[str, ...]
    message_id: str
    """Of a mail or a webhook; a message that came twice has the same."""
    subject: str
    plain: str
    html: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """Of Slack and webhooks, as JSON."""
    raw: str = ""
    """As it came."""
    verified: bool | None = None
    """None where nobody gave a secret."""


class Arrivals:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[Arrival] = deque(maxlen=MOST_KEPT)
        self._ids: set[str] = set()
        self._manners: dict[tuple[ReceiverKind, str], Manner] = {}
        self._come = threading.Condition()
        self.count = 0

    def manner(self, kind: ReceiverKind, name: str) -> Manner:
        return self._manners.get((kind, name), Manner())

    def behave(self, kind: ReceiverKind, name: str, manner: Manner) -> None:
        self._manners[kind, name] = manner

    def keep(self, kind: ReceiverKind, to: Sequence[str], message_id: str, **what: Any) -> None:
        with self._come:
            self.count += 1
            self._kept.append(Arrival(number=self.count, kind=kind, at=self._clock.now(), to=tuple(to), message_id=message_id, **what))
            self._ids.add(message_id)
            self._come.notify_all()

    @property
    def distinct(self) -> int:
        return len(self._ids)

    def all(self) -> tuple[Arrival, ...]:
        with self._come:
            return tuple(self._kept)

    def wait_for(self, count: int, seconds: float = 30.0) -> tuple[Arrival, ...]:
        """What has arrived as soon as it is so much; less once the time is over."""
        with self._come:
            self._come.wait_for(lambda: self.count >= count, seconds)
            return tuple(self._kept)
