"""What is remembered of each source: which load days it listed when it was last looked at, and which versions of them are loaded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from src.core.providers.export import LoadDay
from src.core.step.books.completeness import EMPTY, SourceState


@dataclass(frozen=True)
class KnownSlices:
    """The rows of `x_source_slices` of one provider, by source and load day."""

    slices: Mapping[str, Mapping[date, Mapping[str, Any]]]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "KnownSlices":
        slices: dict[str, dict[date, Mapping[str, Any]]] = {}
        for row in rows:
            slices.setdefault(row["source"], {})[row["slice"]] = row
        return cls(slices)

    @property
    def since(self) -> date | None:
        """The first day that was ever looked at, of whatever source."""
        return min((day for days in self.slices.values() for day in days), default=None)

    def loaded(self, source: str) -> dict[date, str]:
        return {day: row["version"] for day, row in self.slices.get(source, {}).items() if row["version"] is not None}

    def state(self, source: str, today: date) -> SourceState:
        """As it was when it was last looked at."""
        rows = self.slices.get(source, {})
        since = min(rows, default=today)
        listed = tuple(
            LoadDay(day, row["row_count"], row["bytes"], row["listed_version"])
            for day, row in sorted(rows.items())
            if row["listed_version"] not in (None, EMPTY)
        )
        seen = max((row["seen_at"].date() for row in rows.values()), default=None)
        return SourceState(source, since, seen, listed, self.loaded(source))

    def changes(self, state: SourceState, parts: Sequence[LoadDay], run_id: str, at: datetime) -> list[dict[str, Any]]:
        """The rows that say otherwise than is remembered, and always one: it says that the source was looked at."""
        before = self.slices.get(state.source, {})
        read = {part.day for part in parts}
        listed = {part.day: part for part in state.listed}
        days = sorted({*state.loaded, *listed, state.since})
        told = []
        for day in days:
            part, version, was = listed.get(day), state.loaded.get(day), before.get(day)
            word = part.version if part else EMPTY if version in (None, EMPTY) else None
            same = was is not None and (was["version"], was["listed_version"]) == (version, word)
            if same and day not in read and day != days[-1]:
                continue
            since = was["loaded_at"] if was is not None and was["version"] == version and day not in read else at
            told.append(
                {
                    "source": state.source,
                    "slice": day,
                    "version": version,
                    "listed_version": word,
                    "row_count": part.rows if part else was["row_count"] if was else 0,
                    "bytes": part.bytes if part else was["bytes"] if was else 0,
                    "pipeline_logging_id": run_id,
                    "loaded_at": since if version is not None else None,
                    "seen_at": at,
                }
            )
        return told
