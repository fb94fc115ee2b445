"""What the credentials of this moment say against what the last run judged: no run is needed for a day to be no longer whole."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from src.core.ledger.store import Unit
from src.core.ledger.tables.counted import CountedSource, of_org
from src.core.ledger.tables.credentials import CredentialRecord, list_for
from src.core.step.counted import OpenedSource, opened_sources

Row = Mapping[str, Any]
LOWERED: Final = frozenset({"complete", "provisional", "stale", "unpriced"})
"""A day that is missing or partial stays so: it lacks more than this."""
SAID: Final = {"marks": ("status", "reason"), "invoices": ("completeness", "completeness_reason")}


@dataclass(frozen=True)
class CredentialSight:
    """By provider."""

    unread: Mapping[str, Sequence[OpenedSource]] = field(default_factory=dict)
    """Sources that a credential opens by now, and that no run has judged days by."""
    removed: Mapping[str, Sequence[CountedSource]] = field(default_factory=dict)
    """Sources that no credential opens any more."""
    told: frozenset[str] = frozenset()
    """Providers of which it is kept what their days were judged by; of an earlier release it is not."""

    @classmethod
    def of(cls, stored: Iterable[CredentialRecord], known: Iterable[CountedSource]) -> Self:
        records, kept = tuple(stored), tuple(known)
        judged = {(one.provider, one.source) for one in kept if one.counted_at is not None and one.removed_at is None}
        unread: dict[str, list[OpenedSource]] = {}
        for provider in sorted({record.provider for record in records}):
            opened = opened_sources(provider, records)
            if new := [one for source, one in sorted(opened.items()) if (provider, source) not in judged]:
                unread[provider] = new
        removed: dict[str, list[CountedSource]] = {}
        for one in kept:
            if one.removed_at is not None and one.source not in {new.source for new in unread.get(one.provider, ())}:
                removed.setdefault(one.provider, []).append(one)
        return cls(unread, removed, frozenset(one.provider for one in kept if one.counted_at is not None))

    def seen(self, found: dict[str, Any]) -> dict[str, Any]:
        """The rows of a statement, of which `marks` and `invoices` say how whole a period is."""
        if not self.unread and not self.removed:
            return found
        read_at = {row["provider"]: row["read_at"] for row in found.get("spans") or found.get("reads") or ()}
        for column, (word, reason) in SAID.items():
            rows = found.get(column) or ()
            found[column] = [self._seen(row, word, reason, read_at.get(row["provider"])) for row in rows]
        return found

    def _seen(self, row: Row, word: str, reason: str, read_at: datetime | None) -> Row:
        provider, said = row["provider"], row[word]
        if said not in LOWERED:
            return row
        why = self._new(provider, read_at) or (self._gone(provider, read_at, row[reason]) if said == "stale" else None)
        return row if why is None else {**row, word: "partial", reason: why}

    def _new(self, provider: str, read_at: datetime | None) -> str | None:
        for one in self.unread.get(provider, ()):
            # what a release without this has judged, it judged by all that was stored then
            if provider in self.told or (read_at is not None and one.record.created_at > read_at):
                name, stored = one.record.credential_name, one.record.created_at
                told = f"the credential {name!r} was set up on {stored:%Y-%m-%d}, and {one.source} was not read since"
                return f"{told}; run the pipeline with credential_name {name!r}"
        return None

    def _gone(self, provider: str, read_at: datetime | None, reason: str | None) -> str | None:
        for one in self.removed.get(provider, ()):
            if one.removed_at is not None and (read_at is None or one.removed_at > read_at):
                return f"the credential was removed on {one.removed_at:%Y-%m-%d}, before {one.source} was read again ({reason})"
        return None


NOTHING_NEW: Final = CredentialSight()


def sight_of(unit: Unit, org_slug: str) -> CredentialSight:
    return CredentialSight.of(list_for(unit, org_slug), of_org(unit, org_slug))
