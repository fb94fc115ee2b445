"""What the credentials of this moment say against what the last run judged: no run is needed for a day to be no longer whole."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

from src.core.base.documents import read_document
from src.core.base.window import Window
from src.core.costs.comparison import month_window
from src.core.ledger.store import Unit
from src.core.ledger.tables.counted import CountedSource, of_org
from src.core.ledger.tables.credentials import CredentialRecord, list_for
from src.core.step.books.document import BooksDocument
from src.core.step.books.reasons import NO_CALL, Remedy
from src.core.step.counted import opened_sources
from src.core.step.credentials import DEFAULT_NAME

Row = Mapping[str, Any]
LOWERED: Final = frozenset({"complete", "provisional", "stale", "unpriced"})
"""A day that is missing or partial stays so: it lacks more than this."""


@dataclass(frozen=True, slots=True)
class UnreadSource:
    """Of what a credential opens by now, and no run has judged days by."""

    source: str | None
    """None where nobody has asked yet what it opens."""
    record: CredentialRecord
    since: date | None = None
    """It was read before, up to this day: what was judged of days until then was judged with it."""

    def reason(self, days: Window, remedy: Remedy) -> str:
        """Why these days are not whole, and the calls that help."""
        name, told = self.record.credential_name, f"was set up on {self.record.created_at:%Y-%m-%d}"
        place = self.source or name
        run = replace(remedy, credentials={place: name} if name != DEFAULT_NAME else {}).run(days.start, days.end, place)
        if self.source is None:
            call = f"/api/v1/integrations/{self.record.org_slug}/{self.record.provider}/validate?credential_name={name}"
            return f"the credential {name!r} {told}, and nobody has asked what it opens; POST {call}, then {run}"
        return f"the credential {name!r} {told}, and {self.source} was not read since; {run}"


@dataclass(frozen=True, slots=True)
class SeenDays:
    """What an answer is of."""

    windows: Sequence[Window]
    today: date
    providers: frozenset[str] | None = None
    """None of all."""


@dataclass(frozen=True)
class CredentialSight:
    """By provider."""

    unread: Mapping[str, Sequence[UnreadSource]] = field(default_factory=dict)
    removed: Mapping[str, Sequence[CountedSource]] = field(default_factory=dict)
    """Sources that no credential opens any more."""
    told: frozenset[str] = frozenset()
    """Providers of which it is kept what their days were judged by; of an earlier release it is not."""
    ended: Mapping[str, date] = field(default_factory=dict)
    """When the last credential was removed, of providers that have none left: of later days nothing is expected of them."""
    remedies: Mapping[str, Remedy] = field(default_factory=dict)
    """The call that brings days."""

    @classmethod
    def of(cls, stored: Iterable[CredentialRecord], known: Iterable[CountedSource], remedies: Mapping[str, Remedy]) -> Self:
        records = tuple(stored)
        kept = {(one.provider, one.source): one for one in known if one.counted_at is not None}
        unread: dict[str, list[UnreadSource]] = {}
        for provider in sorted({record.provider for record in records}):
            own = [record for record in records if record.provider == provider]
            unread[provider] = [UnreadSource(None, one) for one in own if not opened_sources(provider, [one])]
            for source, opened in sorted(opened_sources(provider, own).items()):
                before = kept.get((provider, source))
                if before is None or before.removed_at is not None:
                    since = before.removed_at.date() if before and before.removed_at else None
                    unread[provider].append(UnreadSource(source, opened.record, since))
        unread = {provider: found for provider, found in unread.items() if found}
        removed: dict[str, list[CountedSource]] = {}
        for one in kept.values():
            if one.removed_at is not None and one.source not in {new.source for new in unread.get(one.provider, ())}:
                removed.setdefault(one.provider, []).append(one)
        living = {record.provider for record in records} | {one.provider for one in kept.values() if one.removed_at is None}
        ended = {
            provider: max(one.removed_at.date() for one in gone if one.removed_at is not None)
            for provider, gone in removed.items()
            if provider not in living
        }
        return cls(unread, removed, frozenset(provider for provider, _ in kept), ended, remedies)

    def seen(self, found: dict[str, Any], asked: SeenDays) -> dict[str, Any]:
        """The rows of a statement, of which `marks` and `invoices` say how whole a period is, and `spans` since when it is asked for."""
        if not self.unread and not self.removed:
            return found
        read_at = {row["provider"]: row["read_at"] for row in found.get("spans") or found.get("reads") or ()}
        if "invoices" in found:
            found["invoices"] = [self._invoice(row, read_at.get(row["provider"]), asked) for row in found["invoices"]]
        if "marks" in found:
            marks = [self._mark(row, read_at.get(row["provider"]), asked) for row in found["marks"]]
            began = {row["provider"]: row["first_day"] for row in found.get("spans") or ()}
            found["marks"] = [*marks, *self._absent(found, began, read_at, asked)]
        if "spans" in found:
            found["spans"] = [{**row, "last_day": self.ended.get(row["provider"])} for row in found["spans"]]
        return found

    def _mark(self, row: Row, read_at: datetime | None, asked: SeenDays) -> Row:
        days = _begun(row["usage_date"], row["usage_date"], asked.today)
        why = self._why(row, (row["usage_date"], days), (row["status"], row["reason"]), read_at)
        return row if why is None else {**row, "status": "partial", "reason": why}

    def _invoice(self, row: Row, read_at: datetime | None, asked: SeenDays) -> Row:
        first, last = min((window.start for window in asked.windows), default=asked.today), date.max
        if "invoice_month" not in row:
            # a bridge asks of one month alone
            last = max(window.end for window in asked.windows)
        elif month := _month(row["invoice_month"]):
            first, last = month.start, month.end
        # of what is no month nobody knows which days it holds
        said = row["completeness"], row["completeness_reason"]
        why = self._why(row, (last, _begun(first, last, asked.today)), said, read_at)
        return row if why is None else {**row, "completeness": "partial", "completeness_reason": why}

    def _why(self, row: Row, period: tuple[date, Window], said: tuple[str | None, str | None], read_at: datetime | None) -> str | None:
        """Why a period is no more than partial: its last day, and those of its days that can be read."""
        word, reason = said
        if word not in LOWERED:
            return None
        return self._new(row["provider"], *period, read_at) or (self._gone(row["provider"], read_at, reason) if word == "stale" else None)

    def _absent(self, found: Row, began: Mapping[str, date], read_at: Mapping[str, datetime | None], asked: SeenDays) -> Iterator[Row]:
        """Days of which no run has said anything, and of which there may be money all the same: they are told as lacking."""
        known = {(row["provider"], row["usage_date"]) for column in ("marks", "unmarked") for row in found.get(column) or ()}
        days = sorted({day for window in asked.windows for day in window if day <= asked.today})
        for provider in sorted({*self.unread, *self.ended}):
            if asked.providers is not None and provider not in asked.providers:
                continue
            for day in days:
                why = self._new(provider, day, Window.day(day), read_at.get(provider)) or self._left(provider, day, began.get(provider))
                if why and (provider, day) not in known:
                    nothing = {"source_as_of": None, "published_at": None}
                    yield {"usage_date": day, "provider": provider, "status": "missing", "reason": why, **nothing}

    def _new(self, provider: str, last: date, days: Window, read_at: datetime | None) -> str | None:
        for one in self.unread.get(provider, ()):
            # what a release without this has judged, it judged by all that was stored then
            fresh = provider in self.told or read_at is None or one.record.created_at > read_at
            if fresh and (one.since is None or last > one.since):
                return one.reason(days, self.remedies.get(provider, NO_CALL))
        return None

    def _left(self, provider: str, day: date, since: date | None) -> str | None:
        """Of a day up to the removal of the last credential that nobody had loaded."""
        ended = self.ended.get(provider)
        if ended is None or since is None or not since <= day <= ended:
            return None
        run = self.remedies.get(provider, NO_CALL).run(day, day)
        return f"the credential was removed on {ended}, before this day was loaded; set it up again and {run}"

    def _gone(self, provider: str, read_at: datetime | None, reason: str | None) -> str | None:
        for one in self.removed.get(provider, ()):
            if one.removed_at is not None and (read_at is None or one.removed_at > read_at):
                return f"the credential was removed on {one.removed_at:%Y-%m-%d}, before {one.source} was read again ({reason})"
        return None


NOTHING_NEW: Final = CredentialSight()


def sight_of(unit: Unit, org_slug: str, configs: Path) -> CredentialSight:
    remedies = {provider: Remedy(org_slug, document) for document, provider in bringing(configs).items()}
    return CredentialSight.of(list_for(unit, org_slug), of_org(unit, org_slug), remedies)


@lru_cache(maxsize=8)
def bringing(configs: Path) -> Mapping[str, str]:
    """The pipelines that bring days of costs, each with its provider."""
    found = (read_document(path, BooksDocument) for path in sorted(configs.rglob("books.yml")))
    return {one.brought_by: one.provider for one in found if one.brought_by}


def _begun(first: date, last: date, today: date) -> Window:
    """A run reads no day to come."""
    return Window(first, max(first, min(last, today)))


def _month(text: str) -> Window | None:
    try:
        return month_window(date(int(text[:4]), int(text[4:]), 1))
    except ValueError:
        return None
