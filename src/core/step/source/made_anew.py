"""A source that was deleted and made anew under its own name: what both it and the old one tell counts once.

Rows are known again by what was used, when and by whom, not by what it came to: of what both tell, the new one's rows count, or those
of the old one where it told of it by more. What the new one does not tell of stays as the old one told it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from src.core.step.books.completeness import SourceState
from src.core.step.books.gaps import FILLS, ONE_DAY, Gap, filled_from, mixed_days, month_before, ranges
from src.core.step.books.questions import Reload
from src.core.step.source.load_parts import Work

FEW = 2
DaysOfRows = Mapping[date, int]


@dataclass(frozen=True, slots=True)
class Settled:
    gone: frozenset[date] = frozenset()
    """Days of use of which rows of an old one went."""
    filled: Mapping[str, date] = field(default_factory=dict)
    """From which day of use on a source tells all that there is, though it began later."""
    doubts: Mapping[str, tuple[Gap, ...]] = field(default_factory=dict)
    """By source of which there is something of an old one: the days of use of which a part may lack, or count twice."""


def settle(work: Work) -> Settled:
    gone, filled, doubts = set[date](), dict[str, date](), dict[str, tuple[Gap, ...]]()
    states = {state.source: state for state in work.loading.sources.asked}
    for reload in (one for one in work.loading.reloads if one.old or one.fills):
        state, told = states[reload.source], work.asking.days_of_rows(reload, (*reload.filled, *reload.stays))
        old = work.asking.days_of_rows(reload, reload.old)
        left, doubts[reload.source] = _settle(work, reload, state, told, old)
        gone |= {day for day in old if old[day] != left.get(day, 0)}
        since, partly = _filled(state, reload, told, left, work)
        doubts[reload.source] += partly
        if since:
            filled[reload.source] = since
    return Settled(frozenset(gone), filled, doubts)


def _settle(work: Work, reload: Reload, state: SourceState, told: DaysOfRows, old: DaysOfRows) -> tuple[DaysOfRows, tuple[Gap, ...]]:
    """What is left of the old one, and what of it stands in doubt."""
    raw, execute, current = reload.raw, work.publication.execute, (*reload.filled, *reload.stays)
    if work.loading.again and told and old:
        since = min(told)
        execute(raw.made_before_all, {**reload.asked(reload.old), "since": since})
        less = [day for day, rows in old.items() if day >= since and told.get(day, 0) < rows]
        return {day: rows for day, rows in old.items() if day < since}, ranges(less, "less")
    both = sorted(work.asking.days_of_rows(reload, reload.filled).keys() & old.keys())
    if both and raw.made_before is not None:
        execute(raw.made_before, {**reload.asked((*current, *reload.old)), **reload.named(reload.old), "days": both})
    left, now = work.asking.days_of_rows(reload, reload.old), work.asking.days_of_rows(reload, current)
    mixed = {day for day in both if day in left and (left[day] < old[day] or now.get(day, 0) < told[day])}
    # late rows of a day are few beside those that were told of it; as many by other rows may be the same money
    many = {day: now[day] for day in both if day in left and day in now and 2 * now[day] >= left[day]}
    mixed |= set(many) if sum(many.values()) > FEW else set()
    # what was mixed before is so until nothing of the old one is left
    return left, (*(gap for gap in state.gaps if gap.kind == "less"), *ranges(mixed | (mixed_days(state.gaps) & left.keys()), "mixed"))


def _filled(state: SourceState, reload: Reload, told: DaysOfRows, left: DaysOfRows, work: Work) -> tuple[date | None, tuple[Gap, ...]]:
    """From which day on a source that was made anew, or only just made, tells what was used before; and where it does so in part."""
    at, gaps = state.looks.latest, state.gaps
    if state.made is None or not gaps or at is None or at <= state.made.date() + FILLS:
        return None, ()
    made = state.made.date()
    # of one that was made anew the old one's rows say more: another source may tell of one of its accounts alone
    beside_others = work.books.rivals and reload.fills and not reload.old
    others = work.asking.told_by_others(reload, month_before(made), made - ONE_DAY) if beside_others else {}
    since, doubtful = made, dict[date, int]()
    # as long as it tells of each day the most of what others tell: merely late rows are the least of a day
    for day, (again, lacking, _) in sorted(others.items(), reverse=True):
        if again < lacking:
            break
        since, doubtful = day, doubtful | ({day: lacking} if lacking else {})
    # of days before it counts beside them, and may tell the same money: a few rows alike are late ones
    beside = {day: added for day, (_, _, added) in others.items() if day < since and added}
    doubtful |= beside if sum(beside.values()) > FEW else {}
    if others:
        return since if since < made else None, ranges(doubtful, "beside")
    late = work.loading.calendar.axis.of_day(made)
    # what the new one does not tell of the old one's days it would not tell of others either
    kept = max((day for day in left if day < made), default=date.min)
    return filled_from([day for day in told if day > kept], made, min(late.last - late.first, timedelta(31))), ()
