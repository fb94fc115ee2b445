"""Where a run stands, as its steps tell it; kept in memory, and read by whoever writes it down."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

from src.core.base.clock import Clock
from src.core.step.context import Progress

# A percentage that is not known to be reached is not shown as reached.
NEARLY = 0.99


@dataclass(slots=True)
class _Told:
    rows: int | None = None
    rows_total: int | None = None
    bytes_done: int | None = None
    bytes_total: int | None = None
    doing: str | None = None
    writing_since: float | None = None
    """When the first of its rows was told of, by the clock, and how many there were then."""
    rows_then: int = 0

    def share(self) -> float:
        """Of what it reads and of what it writes, half each: what was read is not written yet."""
        read, written = _part(self.bytes_done, self.bytes_total), _part(self.rows, self.rows_total)
        if read is None:
            return min(written or 0.0, NEARLY)
        return min((read + (written or 0.0)) / 2, NEARLY)

    def left(self, now: float) -> float | None:
        """Seconds until its rows are written; None where nobody knows: while it reads, and once all are written."""
        if self.writing_since is None or self.rows is None or not self.rows_total:
            return None
        spent, done = now - self.writing_since, self.rows - self.rows_then
        return spent * (self.rows_total - self.rows) / done if spent > 0 and done > 0 and self.rows < self.rows_total else None


def _part(done: int | None, total: int | None) -> float | None:
    return min((done or 0) / total, 1.0) if total else None


def _sum(amounts: Iterable[int | None]) -> int | None:
    """None where one of them is not known."""
    found = tuple(amounts)
    return sum(one or 0 for one in found) if found and None not in found else None


class Board:
    def __init__(self, steps: Sequence[str], clock: Clock) -> None:
        self._steps = tuple(steps)
        self._clock = clock
        self._told: dict[str, _Told] = {}
        self._done: set[str] = set()
        self._step: str | None = None
        self._furthest = 0.0
        self._changed = False
        # steps tell from threads of their own
        self._lock = Lock()

    def of(self, step_id: str) -> Progress:
        """Called when the step's turn has come."""
        self._tell(step_id)
        return partial(self._tell, step_id)

    def step_done(self, step_id: str) -> None:
        with self._lock:
            self._done.add(step_id)
            self._changed = True

    def news(self) -> dict[str, Any] | None:
        """Where the run stands, if that has changed since the last asking."""
        with self._lock:
            if not self._changed:
                return None
            self._changed = False
            return self._standing()

    def last(self, *, complete: bool) -> dict[str, Any]:
        with self._lock:
            standing = self._standing()
        return standing | ({"percent": 100.0, "eta_seconds": 0} if complete else {"eta_seconds": None})

    def _tell(
        self,
        step_id: str,
        *,
        rows: int | None = None,
        rows_total: int | None = None,
        bytes_done: int | None = None,
        bytes_total: int | None = None,
        doing: str | None = None,
    ) -> None:
        given = {"rows": rows, "rows_total": rows_total, "bytes_done": bytes_done, "bytes_total": bytes_total, "doing": doing}
        with self._lock:
            told = self._told.setdefault(step_id, _Told())
            for name, value in given.items():
                # a call names what has changed; the rest still stands
                if value is not None:
                    setattr(told, name, value)
            if rows is not None and told.writing_since is None:
                told.writing_since, told.rows_then = self._clock.monotonic(), rows
            self._step = step_id
            self._changed = True

    def _standing(self) -> dict[str, Any]:
        shares = (1.0 if step in self._done else told.share() for step, told in self._told.items())
        # a step that was skipped never had its turn, and is done all the same
        untold = sum(1 for step in self._done if step not in self._told)
        # estimates of the whole may grow; what was reached once is not taken back
        self._furthest = max(self._furthest, (sum(shares) + untold) / max(1, len(self._steps)))
        told = self._told.get(self._step or "", _Told())
        reads, writes = self._of("bytes_done", "bytes_total"), self._of("rows", "rows_total")
        return {
            "step_id": self._step,
            "step_index": self._steps.index(self._step) + 1 if self._step in self._steps else None,
            "steps": len(self._steps),
            "doing": told.doing,
            "rows": _sum(one.rows for one in writes),
            "rows_total": _sum(one.rows_total for one in writes),
            "bytes": _sum(one.bytes_done for one in reads),
            "bytes_total": _sum(one.bytes_total for one in reads),
            "percent": round(100 * self._furthest, 1),
            "eta_seconds": self._left(),
            "updated_at": self._clock.now().isoformat(),
        }

    def _of(self, done: str, total: str) -> list[_Told]:
        """The steps that have told of such work."""
        return [one for one in self._told.values() if getattr(one, done) is not None or getattr(one, total) is not None]

    def _left(self) -> int | None:
        """Of the last step that is not done; what others will have to do nobody knows."""
        open_ = [step for step in self._steps if step not in self._done]
        told = self._told.get(open_[0]) if len(open_) == 1 else None
        left = told.left(self._clock.monotonic()) if told else None
        return None if left is None else math.ceil(left)
