"""What nobody knows of a source: what was written before it began, and between the last look at it and its being made anew.

Rows of a day of use are written on that day and, as a rule, on those after it that its axis names. So what a gap may have swallowed
are rows of the days of use whose load days it touches, and of no others.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from src.core.providers.slices import EMPTY, Listing, Slice

ONE_DAY = timedelta(1)
SINCE_EVER = ".."
# where a dataset lies in a whole continent, what was used since the month before is written to a new export too, within so many days
FILLS = timedelta(5)
HOLE = timedelta(4)  # a long weekend without any use
Kind = Literal["unknown", "gone", "mixed", "beside", "less", "filling"]
OF_LOAD_DAYS = ("unknown", "gone")


@dataclass(frozen=True, slots=True)
class Gap:
    first: date | None
    """Of load days; None where the source begins after it."""
    last: date
    """Of the last day a part may be there: it is the one on which the source was made."""
    whole_from: date | None = None
    """The days of use from this one on were told again since, all that there is of them."""
    kind: Kind = "unknown"
    """A load day may be `gone` before it was read. Of the others it is days of use and not load days: of these the one that was made
    anew tells a part of what the one before it did (`mixed`), or was taken at its word though it tells less; of these a newer source
    tells a part of what those `beside` it do; and what was used before a source was made may be written to it yet."""

    def swallows(self, first: date, last: date, written: date) -> bool:
        """Whether it may hold rows of the days of use from `first` to `last`, which are written until `written`."""
        told_again = self.whole_from is not None and first >= self.whole_from
        until = written if self.kind in OF_LOAD_DAYS else last
        return not told_again and first <= self.last and (self.first is None or until >= self.first)

    @property
    def text(self) -> str:
        return f"{self.first or SINCE_EVER}/{self.last}/{self.whole_from or ''}/{self.kind}"

    @classmethod
    def read(cls, text: str) -> "Gap":
        first, last, whole, kind = text.split("/")
        since = None if first == SINCE_EVER else date.fromisoformat(first)
        known: dict[str, Kind] = {"gone": "gone", "less": "less", "mixed": "mixed", "beside": "beside"}
        return cls(since, date.fromisoformat(last), date.fromisoformat(whole) if whole else None, known.get(kind, "unknown"))


def written(gaps: Iterable[Gap]) -> str | None:
    """As one column holds them."""
    return " ".join(gap.text for gap in gaps) or None


def read_gaps(text: str | None) -> tuple[Gap, ...]:
    return tuple(Gap.read(one) for one in text.split()) if text else ()


def before_it_began(begins: date, made: datetime | None) -> Gap:
    """Of the day on which a source was made its first slice holds only what was written after that."""
    partly = made is None or made.date() >= begins
    return Gap(None, begins if partly else begins - ONE_DAY)


def until_made_anew(loaded: Iterable[Slice], unread: Iterable[Slice], seen: date, listing: Listing) -> Gap:
    """`seen` is the day of the last look at the old one. It was not over then, and whether the old one was still written to is not known
    of the days after the last on which it was."""
    filled = max((one.first for one in loaded if one.version != EMPTY), default=seen)
    first = min([seen, filled + ONE_DAY, *(one.first for one in unread)])
    began = [listing.made.date()] if listing.made else []
    return Gap(first, max(first, min([*began, *(one.first for one in listing.slices)], default=first)))


def told_again(gaps: Iterable[Gap], since: date) -> tuple[Gap, ...]:
    """Its source tells all of the days of use from `since` on."""
    return tuple(replace(gap, whole_from=min(since, gap.whole_from or since)) if gap.kind == "unknown" else gap for gap in gaps)


def month_before(day: date) -> date:
    return (day.replace(day=1) - ONE_DAY).replace(day=1)


def filled_from(told: Collection[date], made: date, late: timedelta) -> date | None:
    """From which day of use on a source tells all, though it was made later: the first of those that it tells without a hole.

    Rows that are merely late are of fewer days.
    """
    since = made
    for day in sorted((day for day in told if day < made), reverse=True):
        if since - day > HOLE:
            break
        since = day
    return since if made - since > late else None


def mixed_days(gaps: Iterable[Gap]) -> frozenset[date]:
    found = (gap for gap in gaps if gap.kind == "mixed" and gap.first is not None)
    return frozenset(gap.first + timedelta(number) for gap in found if gap.first for number in range((gap.last - gap.first).days + 1))


def after_look(gaps: Iterable[Gap], lost: Iterable[Slice], listed: Iterable[Slice]) -> tuple[Gap, ...]:
    """With those slices that were listed and never read, and are there no more; without those that are there again."""
    there, known = {(one.first, one.last) for one in listed}, list(gaps)
    known += [gap for one in lost for gap in [Gap(one.first, one.last, kind="gone")] if gap not in known]
    return tuple(gap for gap in known if gap.kind != "gone" or (gap.first, gap.last) not in there)


def ranges(days: Iterable[date], kind: Kind) -> tuple[Gap, ...]:
    found: list[Gap] = []
    for day in sorted(days):
        if found and day - found[-1].last == ONE_DAY:
            found[-1] = replace(found[-1], last=day)
        else:
            found.append(Gap(day, day, kind=kind))
    return tuple(found)


def told_of(source: str, gap: Gap, *, during: bool) -> str:
    """`during` where the source began in the course of the last day of the gap."""
    if gap.first is None:
        began = f"during {gap.last}" if during else f"on {gap.last + ONE_DAY}"
        return f"{source} begins {began}, and nobody knows what was before"
    days = f"{gap.first} to {gap.last}" if gap.last > gap.first else f"{gap.first}"
    told: dict[Kind, str] = {
        "mixed": f"was made anew and tells {days} in part by other rows than the one before it: a part may lack or count twice",
        "beside": f"tells in part what a table before it told of {days}: a part may lack or count twice",
        "gone": f"listed what was written on {days}, and it was gone before it was read",
        "filling": f"was only just made, and what was used from {gap.first} on may be written to it within {FILLS.days} days",
        "less": f"was made anew and was taken at its word, though it tells less of {days} than the table before it",
        "unknown": f"was made anew, and what was written on {days} stands in no table that was read, unless the new one is filled with it",
    }
    return f"{source} {told[gap.kind]}"
