"""A warning that repeats is written once a minute: a store that is away for an hour would else fill the disk with one line."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

import structlog
from structlog.typing import EventDict, WrappedLogger

EVERY_SECONDS: Final = 60.0
REMEMBERED: Final = 1000
# Of each request and each moment its own: with these no line would ever be the same as one before.
PASSING: Final = frozenset({"request_id", "trace_id", "timestamp", "duration_ms"})


@dataclass(slots=True)
class _SeenWarning:
    at: float
    left_out: int = 0


@dataclass(slots=True)
class Repeats:
    now: Callable[[], float] = time.monotonic
    _lines: OrderedDict[str, _SeenWarning] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def since(self, line: str) -> int | None:
        """How often this line was left out since it was written last; None when it is left out again."""
        now = self.now()
        with self._lock:
            written = self._lines.get(line)
            if written is not None and now - written.at < EVERY_SECONDS:
                written.left_out += 1
                return None
            self._lines[line] = _SeenWarning(now)
            self._lines.move_to_end(line)
            # who is forgotten is written again, which is the harmless mistake of the two
            if len(self._lines) > REMEMBERED:
                self._lines.popitem(last=False)
            return written.left_out if written else 0

    def of_event(self, _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if method == "warning":
            left_out = self.since(_line(event))
            if left_out is None:
                raise structlog.DropEvent
            if left_out:
                event["left_out"] = left_out
        return event

    def of_record(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        left_out = self.since(f"{record.name} {record.getMessage()}")
        if left_out:
            record.__dict__["left_out"] = left_out
        return left_out is not None


def _line(event: Mapping[str, Any]) -> str:
    return repr(sorted((name, str(value)) for name, value in event.items() if name not in PASSING))
