"""Which rows of which source count, where several sources tell of one account's money. Pure.

The standard and the detailed export of an account hold the same rows, each written to both at about the same time; a view or a new
dataset may take over from an older table; a reseller's export tells of its customers' accounts, of which each may have one of its own.
What counts is told by two bounds a source:
  from the day of use on which it is whole by itself, it alone counts, and older sources no more;
  of days of use before that, older sources count, and of it only what was written after they were last read.
Of several sources that all count today the one that is named after the account takes the place of the others. Where none is, no rule
says which of them tells more than the other, and nothing is added.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from src.core.base.faults import Conflict
from src.core.step.books.gaps import OF_LOAD_DAYS, Gap

ONE_DAY = timedelta(1)
LATER: Final = ("load_ceiling", "fills_from", "counted_from")


@dataclass(frozen=True, slots=True)
class Reach:
    """The load days of a source that are loaded without a gap, up to the latest."""

    first: date
    last: date
    over: date | None = None
    """The latest of them that was over when it was last looked at; None where all were."""
    partly: bool = False
    """Of the first of them it has only what was written after it began."""
    filled: date | None = None
    """From this day of use on it tells all the same, since what was used before it began was written to it too."""
    fills_from: date | None = None
    """It was only just made: what was used from this day on may be written to it yet, as it stands in an older one."""
    seen: date | None = None
    """The last day that was over when it was last looked at."""
    gaps: tuple[Gap, ...] = ()
    """What it does not know by itself."""

    @property
    def until(self) -> date:
        """The last load day of which all is known, also that nothing was written."""
        return self.seen or self.over or self.last

    @property
    def whole(self) -> date:
        """The first load day of which it has all."""
        return self.first + ONE_DAY if self.partly else self.first

    @property
    def own_from(self) -> date:
        """The first day of use of which it tells all by itself."""
        # the first load day of a source may have begun in its middle
        return self.filled or self.first + ONE_DAY


@dataclass(frozen=True, slots=True)
class Share:
    source_table: str
    account: str | None = None
    own_from: date | None = None
    load_floor: date | None = None
    until_day: date | None = None
    load_ceiling: date | None = None
    fills_from: date | None = None
    """Of days of use from this one to `own_from` nothing of it counts."""
    counted_from: str | None = None
    """The source that this account is counted from in its place; none of its rows of it count."""

    @property
    def asked(self) -> dict[str, Any]:
        told = asdict(self)
        del told["counted_from"]
        return {"source": told.pop("source_table"), **told}

    @property
    def shown(self) -> dict[str, Any]:
        # what earlier releases did not tell is left out where it says nothing: else what counts would seem to have changed
        told = {name: value for name, value in asdict(self).items() if name not in LATER or value is not None}
        return {name: value if value is None else str(value) for name, value in told.items()}


def shares(
    accounts: Iterable[tuple[str, str]],
    reaches: Mapping[str, Reach],
    counting: frozenset[str],
    named: Mapping[str, str | None] | None = None,
) -> tuple[Share, ...]:
    """`accounts` are the pairs of source and account that the raw table holds; `counting` the sources that count today; `named` the
    account after which a source is named."""
    by_account = _by_account(accounts)
    rivals = {account for account, sources in by_account.items() if account and len(sources) > 1}
    # rows that say nothing of their account are those of one account as far as an older source is concerned
    rivals |= {account for account, sources in by_account.items() if len(sources) > 1 and not sources <= counting}
    tiers = {account: _tiers(account, by_account[account], reaches, counting, named or {}) for account in by_account}
    found: list[Share] = []
    for source in sorted({source for sources in by_account.values() for source in sources}):
        own = sorted(account for account, sources in by_account.items() if source in sources)
        if not rivals.intersection(own):
            # without bounds: nobody else tells of its accounts, and bounds would leave out rows that are its alone
            found.append(Share(source))
            continue
        for account in own:
            if any(source in tier for tier in tiers[account]):
                found.append(_share(source, account, tiers[account], reaches))
            elif source in counting and source in reaches:
                found.append(Share(source, account, counted_from=tiers[account][-1][0]))
    return tuple(found)


def gaps_of(
    accounts: Iterable[tuple[str, str]],
    reaches: Mapping[str, Reach],
    counting: frozenset[str],
    named: Mapping[str, str | None] | None = None,
) -> dict[str, tuple[Gap, ...]]:
    """Of each source that counts today what neither it nor those whose place it took know of all its accounts.

    `reaches` are those of sources of which nothing is left unread.
    """
    found: dict[str, dict[Gap, None]] = {}
    for account, sources in _by_account(accounts).items():
        tiers = _tiers(account, sources, reaches, counting, named or {})
        for source in sources & counting & reaches.keys():
            at = next((number for number, tier in enumerate(tiers) if source in tier), len(tiers) - 1)
            # an account that nobody told of before is known since the source itself is
            gaps = _between(tiers[: at + 1], reaches) if at else reaches[source].gaps
            found.setdefault(source, {}).update(dict.fromkeys(gaps))
    return {source: tuple(gaps) for source, gaps in found.items()}


def _between(known: list[list[str]], reaches: Mapping[str, Reach]) -> list[Gap]:
    """What lies before the oldest, and between each and the next."""
    own = _newest(known[-1], reaches)
    since, gaps = own.whole, list[Gap]()
    for number in range(len(known) - 2, -1, -1):
        end = max(reaches[source].until for source in known[number])
        # of days between the last that the older one was read on and the first that the newer one has whole nobody knows
        if end < since - ONE_DAY:
            gaps.append(Gap(end + ONE_DAY, since - ONE_DAY, own.filled))
        since = min(since, _newest(known[number], reaches).whole)
    may_be_filled = [Gap(own.fills_from, own.first, kind="filling")] if own.fills_from else []
    return [Gap(None, since - ONE_DAY, own.filled), *gaps, *may_be_filled, *_in_doubt(known, reaches)]


def _in_doubt(known: list[list[str]], reaches: Mapping[str, Reach]) -> list[Gap]:
    """Days of use of which one of those that count for them tells too much or too little."""
    found, until = dict[Gap, None](), date.max
    for tier in reversed(known):
        own = (gap for source in tier for gap in reaches[source].gaps if gap.kind not in OF_LOAD_DAYS and gap.kind != "filling")
        found |= dict.fromkeys(replace(gap, last=min(gap.last, until)) for gap in own if gap.first is None or gap.first <= until)
        # of later days an older one does not count
        until = min(until, _newest(tier, reaches).own_from - ONE_DAY)
    return list(found)


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


def _by_account(accounts: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for source, account in accounts:
        found.setdefault(account, set()).add(source)
    return found


def _tiers(
    account: str, sources: Iterable[str], reaches: Mapping[str, Reach], counting: frozenset[str], named: Mapping[str, str | None]
) -> list[list[str]]:
    """The oldest first; the one that counts today stands at the end. One that begins no earlier than a newer one adds nothing."""
    known = sorted(source for source in sources if source in reaches)
    # by where they end: an older source is one that was left first, wherever it began
    by_end = sorted(known, key=lambda source: (reaches[source].last, source))
    order = [[source] for source in by_end if source not in counting]
    now = [source for source in known if source in counting]
    own = [source for source in now if named.get(source) == account]
    if len(now) > 1 and account and len(own) != 1:
        raise Conflict(
            f"{now[0]} and {now[1]} both tell of the account {account}, and would count it twice; no rule says which of them is to count: "
            "name one of them in settings.tables of its credential, or delete the other's credential"
        )
    if len(own) == 1:
        order += [[source] for source in by_end if source in now and source not in own]
        now = own
    tiers: list[list[str]] = []
    for tier in reversed([*order, *([now] if now else [])]):
        if not tiers or _begins(tier, reaches) < _begins(tiers[0], reaches):
            tiers.insert(0, tier)
    return tiers


def _newest(tier: list[str], reaches: Mapping[str, Reach]) -> Reach:
    """Of those of a tier, which begin together, the first."""
    return min((reaches[source] for source in tier), key=lambda reach: reach.first)


def _begins(tier: list[str], reaches: Mapping[str, Reach]) -> date:
    return min(reaches[source].first for source in tier)


def _end(at: int, tiers: list[list[str]], reaches: Mapping[str, Reach]) -> date:
    """The last load day of which what counts is told by this tier."""
    last = max(reaches[source].last for source in tiers[at])
    over = max(reaches[source].over or reaches[source].last for source in tiers[at])
    # a day that was not over when it was read stands whole in the newer source alone, if that has it
    newer = [_newest(tier, reaches).whole for tier in tiers[at + 1 :]]
    return over if newer and min(newer) <= over + ONE_DAY and over >= _begins(tiers[at], reaches) else last


def _share(source: str, account: str, tiers: list[list[str]], reaches: Mapping[str, Reach]) -> Share:
    at = next(number for number, tier in enumerate(tiers) if source in tier)
    older = [_end(number, tiers, reaches) for number in range(at)]
    newer = [_newest(tier, reaches).own_from for tier in tiers[at + 1 :]]
    end = _end(at, tiers, reaches)
    return Share(
        source,
        account,
        own_from=_newest(tiers[at], reaches).own_from if older else None,
        # what was written until the older sources were last read stands in them too, and would count twice
        load_floor=max(older) if older else None,
        until_day=min(newer) if newer else None,
        load_ceiling=end if newer and end < reaches[source].last else None,
        fills_from=_newest(tiers[at], reaches).fills_from if older else None,
    )
