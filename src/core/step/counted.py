"""What the stored credentials of an organisation open, and what its days were judged by: told to the ledger as it changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from src.core.ledger.store import Unit
from src.core.ledger.tables import counted, credentials
from src.core.ledger.tables.counted import CountedSource
from src.core.ledger.tables.credentials import CredentialRecord
from src.core.providers.packages import PACKAGES


@dataclass(frozen=True, slots=True)
class OpenedSource:
    source: str
    account: str
    """Whose money it tells of, as far as the credential says."""
    record: CredentialRecord


def opened_sources(provider: str, stored: Iterable[CredentialRecord]) -> dict[str, OpenedSource]:
    """The sources whose money counts, by name: of one account that several credentials open one."""
    own = [record for record in stored if record.provider == provider]
    told = PACKAGES.credential(provider).sources if provider in PACKAGES.names else None
    if told is None:
        named = {account_of(record.provider, record.subject, record.credential_name): record for record in own}
        return {name: OpenedSource(name, name, record) for name, record in named.items()}
    found = told([record.metadata or {} for record in own])
    return {source: OpenedSource(source, account, own[at]) for source, (account, at) in found.items()}


def account_of(provider: str, subject: str | None, credential_name: str) -> str:
    """Where the provider does not name it, the credential's own name stands for it.

    Not its key: what an old key has read would count beside what a new one of the same account reads.
    """
    return subject or f"{provider}-{credential_name}"


def note_counted(unit: Unit, org_slug: str, provider: str, sources: Mapping[str, OpenedSource], at: datetime) -> None:
    """Days were judged with these in mind; those that no credential opens any more meanwhile stay as they were told to be gone."""
    there = opened_sources(provider, credentials.list_for(unit, org_slug))
    counted.put(unit, (_row(org_slug, provider, one, counted_at=at, removed_at=None) for source, one in sources.items() if source in there))


def opened_now(unit: Unit, org_slug: str, provider: str) -> tuple[dict[str, OpenedSource], dict[str, date]]:
    """What the stored credentials open; and what days were judged by and none opens any more, by the day on which the last was removed."""
    known = (one for one in counted.of_org(unit, org_slug) if one.provider == provider)
    gone = {one.source: one.removed_at.date() for one in known if one.removed_at is not None and one.counted_at is not None}
    return opened_sources(provider, credentials.list_for(unit, org_slug)), gone


def note_gone(unit: Unit, gone: CredentialRecord, left: Sequence[CredentialRecord], at: datetime) -> None:
    """A credential is no more, or is another by now. What it alone opened nobody reads any further.

    Of what no run has judged days by nothing is kept: it was stored by mistake, and is as if it never was.
    """
    there = opened_sources(gone.provider, left)
    accounts = {one.account for one in there.values()}
    lost = [one for one in opened_sources(gone.provider, [gone]).values() if one.source not in there and one.account not in accounts]
    judged = {one.source: one.counted_at for one in counted.of_org(unit, gone.org_slug) if one.provider == gone.provider}
    lost = [one for one in lost if judged.get(one.source)]
    counted.put(unit, (_row(gone.org_slug, gone.provider, one, counted_at=judged[one.source], removed_at=at) for one in lost))


def _row(org_slug: str, provider: str, one: OpenedSource, *, counted_at: datetime | None, removed_at: datetime | None) -> CountedSource:
    return CountedSource(
        org_slug=org_slug,
        provider=provider,
        source=one.source,
        account=one.account,
        credential_name=one.record.credential_name,
        counted_at=counted_at,
        removed_at=removed_at,
    )
