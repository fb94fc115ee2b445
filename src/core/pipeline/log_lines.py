"""What a run logs, kept by step for its record; the lines themselves go where they went before."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from src.core.base.clock import Clock
from src.core.pipeline.mask import Mask

LINES_KEPT = 200
LONGEST_LINE = 500
# Columns of the record name these already.
KNOWN = frozenset({"event", "step", "run_id", "org", "timestamp", "level", "severity"})
# Of no step: kept with whichever step is recorded next.
RUN_ITSELF = ""


class _Chain:
    """One processor before those that are configured when the line is written."""

    def __init__(self, first: Processor) -> None:
        self._first = first

    def __iter__(self) -> Iterator[Processor]:
        yield self._first
        yield from structlog.get_config()["processors"]


@dataclass
class _OfStep:
    lines: list[dict[str, Any]] = field(default_factory=list)
    written: int = 0
    """Those that were not kept too."""


class LogLines:
    def __init__(self, mask: Mask, clock: Clock) -> None:
        self._mask = mask
        self._clock = clock
        self._counting = Lock()
        self._kept: dict[str, _OfStep] = defaultdict(_OfStep)

    def logger(self, **context: str | None) -> FilteringBoundLogger:
        logger: FilteringBoundLogger = structlog.wrap_logger(None, processors=_Chain(self._keep)).bind(**context)
        return logger

    def take(self, step_id: str) -> list[dict[str, Any]]:
        """The lines since the last taking, oldest first; of too many, the last ones are left out and counted."""
        of_run, of_step = self._kept.pop(RUN_ITSELF, _OfStep()), self._kept.pop(step_id, _OfStep())
        lines = of_run.lines + of_step.lines
        written = of_run.written + of_step.written
        if written > LINES_KEPT:
            left_out = written - LINES_KEPT + 1
            lines = [*lines[: LINES_KEPT - 1], {**lines[-1], "event": "log.cut", "message": f"{left_out} more lines were left out"}]
        return lines

    def _keep(self, _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        # a step may log from several threads
        with self._counting:
            kept = self._kept[str(event.get("step", RUN_ITSELF))]
            kept.written += 1
            # a step that logs without end must not fill the memory before it is recorded
            room = kept.written <= LINES_KEPT
        if room:
            kept.lines.append({"at": self._clock.now().isoformat(), "level": method, **self._told(event)})
        return event

    def _told(self, event: Mapping[str, Any]) -> dict[str, str]:
        fields = self._mask.plain({name: value for name, value in event.items() if name not in KNOWN})
        message = " ".join(f"{name}={value}" for name, value in fields.items())
        return {"event": self._mask.text(str(event.get("event", "")))[:LONGEST_LINE], "message": message[:LONGEST_LINE]}
