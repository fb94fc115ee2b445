"""What is known of each source: which slices it listed when it was last looked at, and which versions of them are loaded."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, TypeAlias

from src.core.base.window import Window
from src.core.providers.slices import EMPTY, Listing, Slice, SliceDays
from src.core.step.books.axis import Axis
from src.core.step.books.completeness import SourceState
from src.core.step.books.gaps import ONE_DAY, Gap, after_look, before_it_began, read_gaps, until_made_anew
from src.core.step.books.looks import Look, Looks

Row: TypeAlias = Mapping[str, Any]
# the columns are REQUIRED, and 0 would say that the slice holds nothing
UNTOLD = -1


@dataclass(frozen=True)
class KnownSlices:
    """The rows of `x_source_slices` of one provider, by source and key, and those of `x_source_looks`."""

    slices: Mapping[str, Mapping[str, Row]] = field(default_factory=dict)
    looks: Mapping[str, Looks] = field(default_factory=dict)
    begins: Mapping[str, date] = field(default_factory=dict)
    """Of sources that have no slice before that day: what was before it is not known."""
    made: Mapping[str, datetime] = field(default_factory=dict)
    """When each source was made, where it tells."""
    gaps: Mapping[str, tuple[Gap, ...]] = field(default_factory=dict)
    """Of what was written when, of each source, nobody knows."""

    @classmethod
    def of(cls, rows: Iterable[Row], looks: Iterable[Row]) -> "KnownSlices":
        slices: dict[str, dict[str, Row]] = {}
        for row in rows:
            slices.setdefault(row["source"], {})[_key(row)] = row
        found: dict[str, list[Look]] = {}
        begins: dict[str, date] = {}
        made: dict[str, datetime] = {}
        gaps: dict[str, tuple[Gap, ...]] = {}
        for row in looks:
            found.setdefault(row["source"], []).append(Look(row["first_slice"], row["last_slice"], row["looked_on"]))
            if row.get("source_begins") is not None:
                begins[row["source"]] = row["source_begins"]
            if row.get("source_made") is not None:
                made[row["source"]] = row["source_made"]
            gaps[row["source"]] = _gaps(row)
        # before looks were kept, whoever looked at a source looked at all of it
        whole = {source: [_whole_look(known.values())] for source, known in slices.items() if source not in found}
        return cls(slices, {source: Looks.of(ranges) for source, ranges in (found | whole).items()}, begins, made, gaps)

    @property
    def since(self) -> date | None:
        """The first day that was ever looked at, of whatever source."""
        return min((looks.since for looks in self.looks.values() if looks.since), default=None)

    @property
    def held(self) -> frozenset[str]:
        """The sources of which rows are here."""
        return frozenset(
            source for source, rows in self.slices.items() if any(row["version"] not in (None, EMPTY) for row in rows.values())
        )

    def state(self, source: str) -> SourceState:
        """As it was when it was last looked at."""
        rows = self.slices.get(source, {})
        listed = [_with_days(_slice(row, row["listed_version"]), row) for row in rows.values() if _is_listed(row)]
        loaded = {key: _slice(row, row["version"]) for key, row in rows.items() if row["version"] is not None}
        begins, gaps = self.begins.get(source), self.gaps.get(source, ())
        made, looks = self.made.get(source), self.looks.get(source, Looks())
        return SourceState(source, looks, _ordered(listed), loaded, begins, gaps, made, older=self._older(source, made))

    def looked_at(self, source: str, listing: Listing, today: date, axis: Axis) -> SourceState:
        """As it is after this look, before anything of it is read."""
        before = self._before(source, listing)
        there = {one.key for one in listing.slices}
        told = {(one.key, one.version): one.holds for one in before.listed}
        seen = [replace(one, holds=told.get((one.key, one.version))) for one in listing.slices]
        elsewhere = [one for one in before.listed if one.key not in there and not _within(one, listing.looked)]
        known = {**before.loaded, **{one.key: one for one in before.listed}}
        gone = [one for key, one in known.items() if key not in there and _within(one, listing.looked)]
        # what a period holds under another name now would count twice
        replaced = [one for one in gone if axis.covers and any(_share_days(one, other) for other in listing.slices)]
        taken_back = [_nothing(one) for one in (replaced if axis.forgets else gone)]
        looks = before.looks
        if listing.looked.start <= today:
            # of slices of days to come a look says nothing: as looked at they would pass for known once their day is there
            looks = looks.with_look(Look(listing.looked.start, min(listing.looked.end, today), today))
        older = self._older(source, listing.made or before.made)
        put_away = [one for one in gone if axis.forgets and one not in replaced and one.key in before.loaded.keys() - older]
        for old in (old for one in put_away for old in before.looks.within(one.first, one.last)):
            # that it is put away is no look at it: what it said last stands
            looks = looks.with_look(old)
        listed = _ordered([*elsewhere, *seen, *taken_back])
        begins = _begins(listing, before)
        lost = [one for one in gone if axis.forgets and one.version != EMPTY and one.key not in before.loaded]
        gaps = after_look(self._gaps(before, listing, begins), lost, listing.slices)
        return SourceState(source, looks, listed, before.loaded, begins, gaps, listing.made or before.made, older=older)

    def made_anew(self, source: str, listing: Listing, *, again: bool) -> bool:
        """Whether it is another source of the name of the one that was read. Of one that did not tell when it was made, who reads all
        again may learn it: it was made after slices were loaded that it does not have."""
        if listing.made is None or source in self.made:
            return listing.made is not None and self.made[source] != listing.made
        there = {one.key for one in listing.slices}
        lost = [row["loaded_at"] for key, row in self._filled(source).items() if key not in there]
        return again and any(at is not None and at < listing.made for at in lost)

    def of_old(self, source: str, listing: Listing) -> frozenset[str]:
        """The slices whose rows another source of this name told, one that was made anew since."""
        return self._older(source, listing.made)

    def _older(self, source: str, made: datetime | None) -> frozenset[str]:
        rows = self._filled(source).items() if made is not None else ()
        return frozenset(key for key, row in rows if row.get("source_made") not in (None, made))

    def read_over(self, source: str, one: Slice) -> bool:
        """Whether its days were over when it was loaded: rows that it has beside those were not just the rest of it."""
        loaded = self.slices.get(source, {}).get(one.key, {}).get("loaded_at")
        return loaded is None or loaded.date() > one.last

    def _filled(self, source: str) -> dict[str, Row]:
        return {key: row for key, row in self.slices.get(source, {}).items() if row["version"] not in (None, EMPTY)}

    def _before(self, source: str, listing: Listing) -> SourceState:
        """As it was; where nothing was read of a table that is no more, as if it had not been."""
        before = self.state(source)
        if self.made_anew(source, listing, again=False) and not self._filled(source):
            return SourceState(source, Looks())
        return before

    @staticmethod
    def _gaps(before: SourceState, listing: Listing, begins: date | None) -> tuple[Gap, ...]:
        """As they are known after this look."""
        if listing.made is not None and before.made not in (None, listing.made) and before.looks.latest:
            return (*before.gaps, until_made_anew(before.loaded.values(), before.pending, before.looks.latest, listing))
        if begins is None or begins == before.begins:
            return before.gaps
        read = any(one.first == begins and one.version != EMPTY for one in before.loaded.values())
        # a slice that was read while there were others before it is one in the midst of them
        began = Gap(None, begins - ONE_DAY) if read else before_it_began(begins, listing.made)
        return (began, *(gap for gap in before.gaps if gap.first is not None))

    def changes(
        self, state: SourceState, read: Sequence[Slice], old: Iterable[Slice], run_id: str, at: datetime
    ) -> tuple[list[dict[str, Any]], set[date]]:
        """The rows that say otherwise than is known, and the first days of the slices whose rows they replace; of one first day all.

        `old` were read of another source of this name.
        """
        before = self.slices.get(state.source, {})
        anew, listed, of_old = {one.key for one in read}, {one.key: one for one in state.listed}, {one.key for one in old}
        told = {}
        for key in {*state.loaded, *listed, *before}:
            was = before.get(key, {})
            row, same, unchanged = _row(state, listed.get(key), key, was, self._made(state, was, old=key in of_old), anew=key in anew)
            told[key] = {
                **row,
                "pipeline_logging_id": was["pipeline_logging_id"] if unchanged else run_id,
                "loaded_at": None if row["version"] is None else was["loaded_at"] if same else at,
                "seen_at": was["seen_at"] if unchanged else at,
            }
        other = [key for key, row in told.items() if key in anew or _says_else(before.get(key), row)]
        # rows are replaced by their first day: one that shares it and did not change has to be written with the others, or it is lost
        changed = {told[key]["slice"] for key in other} | {before[key]["slice"] for key in other if key in before}
        return [row for _, row in sorted(told.items()) if row["slice"] in changed], changed

    def _made(self, state: SourceState, was: Row, *, old: bool) -> datetime | None:
        """When the source was made that a slice was read of."""
        if was.get("source_made") is not None or not old:
            return was.get("source_made")
        # of one that did not tell it, it is known that it was made before
        return self.made.get(state.source) or was["loaded_at"]


def _row(
    state: SourceState, listed: Slice | None, key: str, was: Row, made: datetime | None, *, anew: bool
) -> tuple[dict[str, Any], bool, bool]:
    """What is known of a slice; whether it was loaded before in this version, and whether nothing is known otherwise."""
    loaded = state.loaded.get(key)
    version = loaded.version if loaded else None
    word = listed.version if listed else EMPTY if version in (None, EMPTY) else None
    one = listed or loaded
    same = bool(was) and not anew and was["version"] == version
    row = {
        "source": state.source,
        "slice": one.first if one else was["slice"],
        "slice_key": key,
        "last_day": one.last if one else was.get("last_day") or was["slice"],
        "version": version,
        "source_made": made if same else None if version in (None, EMPTY) else state.made,
        "listed_version": word,
        "row_count": _count(one.rows) if one else was["row_count"],
        "bytes": _count(one.bytes) if one else was["bytes"],
        "holds": _days_told(listed.holds) if listed and listed.holds else None,
    }
    return row, same, same and not _says_else(was, row)


def _says_else(was: Row | None, row: Row) -> bool:
    names = ("version", "listed_version", "source_made")
    if was is None or any(was.get(name) != row[name] for name in names):
        return True
    return row["holds"] is not None and not was.get("holds")


def _count(told: int | None) -> int:
    return UNTOLD if told is None else told


def _told(count: int) -> int | None:
    return None if count == UNTOLD else count


def _key(row: Row) -> str:
    # before slices had keys, each was a day
    return row.get("slice_key") or str(row["slice"])


def _slice(row: Row, version: str) -> Slice:
    return Slice(_key(row), row["slice"], row.get("last_day") or row["slice"], version, _told(row["row_count"]), _told(row["bytes"]))


def _with_days(one: Slice, row: Row) -> Slice:
    told = json.loads(row.get("holds") or "null")
    if told is None:
        return one
    return replace(one, holds=SliceDays(frozenset(map(date.fromisoformat, told["days"])), frozenset(told["months"])))


def _days_told(holds: SliceDays) -> dict[str, list[str]]:
    return {"days": sorted(map(str, holds.days)), "months": sorted(holds.months)}


def _is_listed(row: Row) -> bool:
    """Also one that is gone from its source, while its rows are not."""
    return row["listed_version"] is not None and (row["listed_version"] != EMPTY or row["version"] not in (None, EMPTY))


def _within(one: Slice, looked: Window) -> bool:
    return looked.start <= one.first and one.last <= looked.end


def _gaps(row: Row) -> tuple[Gap, ...]:
    begins = row.get("source_begins")
    # before they were kept, it was only kept where a source begins
    return read_gaps(row.get("source_gaps")) or ((before_it_began(begins, row.get("source_made")),) if begins else ())


def _begins(listing: Listing, before: SourceState) -> date | None:
    """A source that put its oldest slices away begins where they were read."""
    read = [one.first for one in before.loaded.values() if one.version != EMPTY]
    # what an empty one was taken to begin on, for want of a better day, its first slice tells better
    guessed = not read and listing.made is None and listing.begins is not None
    if before.begins is not None and not guessed and not any(one.first < before.begins for one in listing.slices):
        return before.begins
    return None if listing.begins is None else min([listing.begins, *read])


def _share_days(one: Slice, other: Slice) -> bool:
    return other.first <= one.last and other.last >= one.first


def _nothing(one: Slice) -> Slice:
    return replace(one, version=EMPTY, rows=0, bytes=0)


def _ordered(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    return tuple(sorted(slices, key=lambda one: (one.first, one.last, one.key)))


def _whole_look(rows: Iterable[Row]) -> Look:
    rows = list(rows)
    seen = max(row["seen_at"].date() for row in rows)
    return Look(min(row["slice"] for row in rows), seen, seen)
