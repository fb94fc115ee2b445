"""What is known of each source: which slices it listed when it was last looked at, and which versions of them are loaded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from src.core.providers.export import Listing, LoadDay
from src.core.step.books.completeness import EMPTY, SourceState
from src.core.step.books.looks import Look, Looks


@dataclass(frozen=True)
class KnownSlices:
    """The rows of `x_source_slices` of one provider, by source and load day, and those of `x_source_looks`."""

    slices: Mapping[str, Mapping[date, Mapping[str, Any]]] = field(default_factory=dict)
    looks: Mapping[str, Looks] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], looks: Iterable[Mapping[str, Any]]) -> "KnownSlices":
        slices: dict[str, dict[date, Mapping[str, Any]]] = {}
        for row in rows:
            slices.setdefault(row["source"], {})[row["slice"]] = row
        made: dict[str, list[Look]] = {}
        for row in looks:
            made.setdefault(row["source"], []).append(Look(row["first_slice"], row["last_slice"], row["looked_on"]))
        # before looks were kept, whoever looked at a source looked at all of it
        whole = {source: [_whole_look(days)] for source, days in slices.items() if source not in made}
        return cls(slices, {source: Looks.of(ranges) for source, ranges in (made | whole).items()})

    @property
    def since(self) -> date | None:
        """The first day that was ever looked at, of whatever source."""
        return min((looks.since for looks in self.looks.values() if looks.since), default=None)

    def loaded(self, source: str) -> dict[date, str]:
        return {day: row["version"] for day, row in self.slices.get(source, {}).items() if row["version"] is not None}

    def state(self, source: str) -> SourceState:
        """As it was when it was last looked at."""
        rows, looks = self.slices.get(source, {}), self.looks.get(source, Looks())
        listed = tuple(
            LoadDay(day, row["row_count"], row["bytes"], row["listed_version"])
            for day, row in sorted(rows.items())
            if row["listed_version"] not in (None, EMPTY)
        )
        return SourceState(source, looks, listed, self.loaded(source))

    def looked_at(self, source: str, listing: Listing, today: date) -> SourceState:
        """As it is after this look, before anything of it is read."""
        before = self.state(source)
        elsewhere = (one for one in before.listed if not listing.looked.start <= one.day <= listing.looked.end)
        listed = tuple(sorted((*elsewhere, *listing.slices), key=lambda one: one.day))
        looks = before.looks.with_look(Look(listing.looked.start, listing.looked.end, today))
        return SourceState(source, looks, listed, before.loaded)

    def changes(self, state: SourceState, parts: Sequence[LoadDay], run_id: str, at: datetime) -> list[dict[str, Any]]:
        """The rows that say otherwise than is known."""
        before = self.slices.get(state.source, {})
        read = {part.day for part in parts}
        listed = {part.day: part for part in state.listed}
        days = sorted({*state.loaded, *listed})
        told = []
        for day in days:
            part, version, was = listed.get(day), state.loaded.get(day), before.get(day)
            word = part.version if part else EMPTY if version in (None, EMPTY) else None
            same = was is not None and (was["version"], was["listed_version"]) == (version, word)
            if same and day not in read:
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


def _whole_look(days: Mapping[date, Mapping[str, Any]]) -> Look:
    seen = max(row["seen_at"].date() for row in days.values())
    return Look(min(days), seen, seen)
