"""Where a run stands, as its steps tell it; kept in memory, and read by whoever writes it down."""

from collections.abc import Sequence
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

    def share(self) -> float:
        for part, whole in ((self.rows, self.rows_total), (self.bytes_done, self.bytes_total)):
            if part is not None and whole:
                return min(part / whole, NEARLY)
        return 0.0


class Board:
    def __init__(self, steps: Sequence[str], clock: Clock) -> None:
        self._steps = tuple(steps)
        self._clock = clock
        self._began = clock.monotonic()
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
            self._step = step_id
            self._changed = True

    def _standing(self) -> dict[str, Any]:
        shares = (1.0 if step in self._done else told.share() for step, told in self._told.items())
        # a step that was skipped never had its turn, and is done all the same
        untold = sum(1 for step in self._done if step not in self._told)
        # estimates of the whole may grow; what was reached once is not taken back
        self._furthest = max(self._furthest, (sum(shares) + untold) / max(1, len(self._steps)))
        told = self._told.get(self._step or "", _Told())
        return {
            "step_id": self._step,
            "step_index": self._steps.index(self._step) + 1 if self._step in self._steps else None,
            "steps": len(self._steps),
            "doing": told.doing,
            "rows": told.rows,
            "rows_total": told.rows_total,
            "bytes": told.bytes_done,
            "bytes_total": told.bytes_total,
            "percent": round(100 * self._furthest, 1),
            "eta_seconds": self._left(),
            "updated_at": self._clock.now().isoformat(),
        }

    def _left(self) -> int | None:
        if not self._furthest:
            return None
        spent = self._clock.monotonic() - self._began
        return round(spent * (1 - self._furthest) / self._furthest)
