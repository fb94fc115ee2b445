"""What a provider's own question says against a day: how complete it is at most, and why. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from src.core.base.faults import Misconfigured
from src.core.step.books.completeness import Completeness, Judgement
from src.core.step.books.reasons import SHOWN_SLICES

# the worst first: a sum that lacks rows is worse than one that lacks prices, and that than one that is old or may still change
ORDER: Final[tuple[Completeness, ...]] = ("missing", "partial", "unpriced", "stale", "provisional", "complete")
TELLABLE: Final[tuple[Completeness, ...]] = ("partial", "unpriced", "provisional")
Doubts = Mapping[date, Judgement]


def doubts_by_day(rows: Iterable[Mapping[str, Any]]) -> dict[date, Judgement]:
    """Of several of a day the worst; those that are as bad are told together."""
    found: dict[date, Judgement] = {}
    for row in sorted(rows, key=lambda row: (row["usage_date"], str(row["reason"]))):
        if row["completeness"] not in TELLABLE or not row["reason"]:
            told = f"{row['completeness']!r} of {row['usage_date']}, because of {row['reason']!r}"
            raise Misconfigured(f"a doubt is {', '.join(TELLABLE)} and says why; the books tell {told}")
        day, doubt = row["usage_date"], Judgement(row["completeness"], row["reason"])
        found[day] = worse(found[day], doubt) if day in found else doubt
    return found


def worse(one: Judgement, other: Judgement) -> Judgement:
    if one.completeness == other.completeness:
        told = dict.fromkeys(reason for reason in (one.reason, other.reason) if reason)
        return Judgement(one.completeness, "; ".join(told) or None)
    return min(one, other, key=lambda judged: ORDER.index(judged.completeness))


def doubted(judged: Judgement, doubt: Judgement | None) -> Judgement:
    """A day that lacks a part, or prices, has rows, though it may have no figure: it is not told as one without."""
    if doubt is None:
        return judged
    return doubt if judged.completeness == "missing" and doubt.completeness != "provisional" else worse(judged, doubt)


def doubt_of_month(month: str, doubts: Doubts) -> Judgement | None:
    """Of a month as YYYYMM, which is no better than the worst of its days."""
    own = {day: doubt for day, doubt in doubts.items() if f"{day:%Y%m}" == month}
    if not own:
        return None
    worst = min((doubt.completeness for doubt in own.values()), key=ORDER.index)
    days = sorted(day for day, doubt in own.items() if doubt.completeness == worst)
    told = [f"{day}: {own[day].reason}" for day in days[:SHOWN_SLICES]]
    more = len(days) - len(told)
    return Judgement(worst, "; ".join([*told, *([f"and {more} days more"] if more else [])]))
