"""Which rows of which source count, where several sources tell of one account's money. Pure.

The standard and the detailed export of an account hold the same rows, each written to both at about the same time; a view or a new
dataset may take over from an older table. What counts is told by two bounds a source:
  from the day of use on which it is whole by itself, it alone counts, and older sources no more;
  of days of use before that, older sources count, and of it only what was written after they were last read.
Sources that count at the same time are disjoint: setting them up has seen to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

ONE_DAY = timedelta(1)


@dataclass(frozen=True, slots=True)
class Reach:
    """The load days of a source that are loaded without a gap, up to the latest."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Share:
    source_table: str
    account: str | None = None
    own_from: date | None = None
    load_floor: date | None = None
    until_day: date | None = None

    @property
    def asked(self) -> dict[str, Any]:
        told = asdict(self)
        return {"source": told.pop("source_table"), **told}

    @property
    def shown(self) -> dict[str, Any]:
        return {name: value if value is None else str(value) for name, value in asdict(self).items()}


def shares(accounts: Iterable[tuple[str, str]], reaches: Mapping[str, Reach], counting: frozenset[str]) -> tuple[Share, ...]:
    """`accounts` are the pairs of source and account that the raw table holds; `counting` the sources that count today."""
    by_account: dict[str, set[str]] = {}
    for source, account in accounts:
        by_account.setdefault(account, set()).add(source)
    # sources that all count today are disjoint, for setting them up refused two of one account: only one that has retired is a rival
    rivals = {account for account, sources in by_account.items() if len(sources) > 1 and not sources <= counting}
    found: list[Share] = []
    for source in sorted({source for sources in by_account.values() for source in sources}):
        own = sorted(account for account, sources in by_account.items() if source in sources)
        if not rivals.intersection(own):
            # without bounds: nobody else tells of its accounts, and bounds would leave out rows that are its alone
            found.append(Share(source))
        else:
            tiers = {account: _tiers(by_account[account], reaches, counting) for account in own}
            found += [_share(source, account, tiers[account], reaches) for account in own if any(source in tier for tier in tiers[account])]
    return tuple(found)


def contested(before: Iterable[Mapping[str, Any]], now: Iterable[Share]) -> frozenset[str]:
    """The accounts of which other rows count than did before."""
    then = {(row["source_table"], row["account"]): dict(row) for row in before}
    changed = set()
    for share in now:
        if share.account is not None and then.get((share.source_table, share.account)) != share.shown:
            changed.add(share.account)
    # an account of which a source has no share any more: its days still hold what that source brought
    still = {(share.source_table, share.account) for share in now}
    changed |= {account for source, account in then if account is not None and (source, account) not in still}
    return frozenset(changed)


def _tiers(sources: Iterable[str], reaches: Mapping[str, Reach], counting: frozenset[str]) -> list[list[str]]:
    """The oldest first; those that count today stand together at the end. One that begins no earlier than a newer one adds nothing."""
    known = sorted(source for source in sources if source in reaches)
    # by where they end: an older source is one that was left first, wherever it began
    retired = sorted((source for source in known if source not in counting), key=lambda source: (reaches[source].last, source))
    # together, for none of those that count today takes the place of another
    now = [source for source in known if source in counting]
    tiers: list[list[str]] = []
    for tier in reversed([*([source] for source in retired), *([now] if now else [])]):
        if not tiers or _begins(tier, reaches) < _begins(tiers[0], reaches):
            tiers.insert(0, tier)
    return tiers


def _begins(tier: list[str], reaches: Mapping[str, Reach]) -> date:
    return min(reaches[source].first for source in tier)


def _share(source: str, account: str, tiers: list[list[str]], reaches: Mapping[str, Reach]) -> Share:
    at = next(number for number, tier in enumerate(tiers) if source in tier)
    older = [reaches[name].last for tier in tiers[:at] for name in tier]
    newer = [_begins(tier, reaches) + ONE_DAY for tier in tiers[at + 1 :]]
    return Share(
        source,
        account,
        # the first load day of a source may have begun in its middle
        own_from=_begins(tiers[at], reaches) + ONE_DAY if older else None,
        # what was written until the older sources were last read stands in them too, and would count twice
        load_floor=max(older) if older else None,
        until_day=min(newer) if newer else None,
    )
