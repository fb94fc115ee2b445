"""Whether two ranges may be compared: growth from or to days of which money lacks is none."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from src.core.base.window import Window
from src.core.costs.comparison import Comparison
from src.core.costs.completeness import CompletenessCalendar, Status

LACKING: Final[tuple[Status, ...]] = ("missing", "partial", "unpriced")


@dataclass(frozen=True, slots=True)
class Lacks:
    """Of either range alike, provider by provider."""

    calendar: CompletenessCalendar
    now: Window
    comparison: Comparison
    _told: dict[str, str | None] = field(default_factory=dict, repr=False)

    @property
    def _windows(self) -> tuple[Window, Window]:
        return self.now, self.comparison.window

    @property
    def providers(self) -> set[str]:
        """Those of which anything is known in either range, or should be."""
        return {provider for window in self._windows for day in window for provider in self.calendar.expected(day)}

    def of(self, providers: Iterable[str]) -> str | None:
        """Why ranges of these providers are not compared; None where nothing keeps them from it."""
        found = [said for said in (self._of(provider) for provider in sorted(providers)) if said]
        return "; ".join(found) or None

    def _of(self, provider: str) -> str | None:
        if provider not in self._told:
            said = [one for one in (self._in(provider, window) for window in self._windows) if one]
            self._told[provider] = "; ".join(said) or None
        return self._told[provider]

    def _in(self, provider: str, window: Window) -> str | None:
        lacking = [
            day for day in window if self.calendar.standing(day, provider).status in LACKING and not self.calendar.unused(day, provider)
        ]
        if not lacking:
            return None
        standing = self.calendar.standing(lacking[0], provider)
        # the calendar names the provider where it tells why
        reason = standing.reason or f"{provider}: {standing.status}"
        days = f"{len(lacking)} of {len(window)} days of {window.start} to {window.end}"
        return f"{days} lack money, the first {lacking[0]} ({reason}){self._mend(lacking)}"

    def _mend(self, lacking: list[date]) -> str:
        today = self.calendar.today
        if lacking[0] < today or today <= self.now.start:
            return ""
        return f"; ask up to {today - timedelta(days=1)}, the last day that is over"
