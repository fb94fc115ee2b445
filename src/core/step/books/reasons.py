"""Why a period is not complete, in words: which source it is about, and the call that helps. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from src.core.providers.slices import EMPTY, Slice, SliceDays

SHOWN_SLICES: Final = 3
IMPORT: Final = "/import"
NO_RUN: Final = "no run can bring it"

MEANS: Final[Mapping[str, str]] = {
    "complete": "Every slice that may hold its rows is read as it stands, and none changes any more.",
    "provisional": "All that is there is read, and more may still come.",
    "stale": "It was whole when it was read, and its source has written since, or may have, and was not read again.",
    "partial": "A part of it was never read, or nobody knows whether all of it is there, once.",
    "missing": "There are no rows of it.",
    "unpriced": "There is usage, and no rate for it.",
}
"""What each word says of a day or an invoice month; everywhere it is told by the same sentence."""


class Why(StrEnum):
    """What keeps a period from being complete. A test does what the reason of each says, and sees it help."""

    NEVER_READ = "never_read"
    BEGINS = "begins"
    BEFORE = "before"
    NOT_LOOKED_AT = "not_looked_at"
    NOT_DELIVERED = "not_delivered"
    UNREAD = "unread"
    MAYBE_TWICE = "maybe_twice"
    REMOVED_UNREAD = "removed_unread"
    REMOVED_EARLY = "removed_early"
    CHANGED = "changed"
    PUT_AWAY = "put_away"
    LOOKED_EARLY = "looked_early"
    NO_ROW = "no_row"
    MAY_ARRIVE = "may_arrive"
    NO_MONTH = "no_month"


@dataclass(frozen=True, slots=True)
class Remedy:
    """The call that brings days of a source."""

    org: str = ""
    document: str | None = None
    """The pipeline that loads them."""
    credentials: Mapping[str, str] = field(default_factory=dict)
    """By source, where it is not the default one."""

    def run(self, first: date, last: date, source: str | None = None) -> str:
        if self.document is not None and self.document.endswith(IMPORT):
            told = f"import an export that tells {first}" + (f" to {last}" if last > first else "")
            return f"{told}: POST /api/v1/imports/{self.org}/{self.document.removesuffix(IMPORT)}"
        told = f"run the pipeline from {first} to {last}"
        if self.document is None:
            return told
        body = {"start_date": str(first), "end_date": str(last)}
        name = self.credentials.get(source or "")
        return f"{told}: {run_call(self.org, self.document, body | ({'credential_name': name} if name else {}))}"


NO_CALL: Final = Remedy()


def run_call(org: str, document: str, body: Mapping[str, str]) -> str:
    return f"POST /api/v1/pipelines/run/{org}/{document} {json.dumps(body)}"


@dataclass(frozen=True, slots=True)
class LoadedRows:
    """What is here of a slice that its source has in another version by now."""

    rows: int
    holds: SliceDays

    def __add__(self, other: "LoadedRows") -> "LoadedRows":
        return LoadedRows(self.rows + other.rows, self.holds | other.holds)


def shown(slices: Iterable[Slice]) -> str:
    keys = [one.key for one in sorted(slices, key=lambda one: (one.first, one.key))]
    if len(keys) <= SHOWN_SLICES:
        return ", ".join(keys)
    return f"{keys[0]} to {keys[-1]} ({len(keys)} of them)"


def named(sources: Sequence[str]) -> str:
    told = list(dict.fromkeys(sources))
    if len(told) <= SHOWN_SLICES:
        return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)
    return f"{', '.join(told[:SHOWN_SLICES])} and {len(told) - SHOWN_SLICES} more sources"


def written_since(source: str, slices: Iterable[Slice], loaded: Mapping[str, Slice], here: Mapping[str, LoadedRows], what: str) -> str:
    """What the source did to each of these slices after it was read; `what` they are called."""
    known = sorted(slices, key=lambda one: (one.first, one.key))
    read = [one for one in known if one.key in loaded]
    new = [one for one in known if one.key not in loaded]
    told = []
    if len(read) <= SHOWN_SLICES:
        told += [f"{one.key} was read and {_since(one, here.get(one.key))}" for one in read]
    else:
        told.append(f"{what} {shown(read)} were read and have changed since")
    if new:
        told.append(f"{what} {shown(new)} came after what was read of it, and have never been read")
    return f"{source}: {'; '.join(told)}"


def _since(one: Slice, before: LoadedRows | None) -> str:
    if one.version == EMPTY:
        return "its source tells of it no more"
    if before is None or one.rows is None:
        return "has changed since"
    if one.rows > before.rows:
        return f"has grown since from {before.rows} to {one.rows} rows"
    if one.rows < before.rows:
        return f"has shrunk since from {before.rows} to {one.rows} rows"
    return f"was written anew since, with {one.rows} rows as before"
