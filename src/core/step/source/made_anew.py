"""A source that was deleted and made anew under its own name: what it tells takes the place of what the old one told of the same days."""

from collections.abc import Mapping
from datetime import date

from src.core.base.faults import Conflict
from src.core.step.books.questions import Reload
from src.core.step.source.load_parts import Work

SHOWN = 3
OldDays = Mapping[str, Mapping[date, int]]
"""By source: how many rows of each day of use the old one told."""


def old_days(work: Work) -> OldDays:
    """Asked before anything is written: a load day of the new one may have the name of one of the old."""
    return {reload.source: work.asking.days_of_rows(reload, reload.old) for reload in work.loading.reloads if reload.old}


def settle(work: Work, old: OldDays) -> tuple[set[date], frozenset[str]]:
    """The days of use that the old one told and the new one tells now; and the new ones that tell less than the old did.

    Of days before the first that the new one tells, what the old one told stays.
    """
    gone, less = set[date](), set[str]()
    for reload in work.loading.reloads:
        if reload.source not in old:
            continue
        told = work.asking.days_of_rows(reload, (*reload.filled, *reload.stays))
        if not told:
            continue
        since = min(told)
        lacking = sorted(day for day, rows in old[reload.source].items() if day >= since and told.get(day, 0) < rows)
        if lacking and not work.loading.again:
            raise _less(reload, lacking, old[reload.source], told)
        # of what was written after the old one was read last, and before the new one began, nobody tells
        if lacking or since > max(old[reload.source], default=since):
            less.add(reload.source)
        kept = {one.key for one in reload.slices}
        left = [one for one in reload.old if one.key not in kept]
        if left:
            work.publication.execute(reload.raw.made_before, {**reload.asked(left), "since": since})
        gone |= {day for day in old[reload.source] if day >= since}
    return gone, frozenset(less)


def _less(reload: Reload, lacking: list[date], old: Mapping[date, int], told: Mapping[date, int]) -> Conflict:
    days = ", ".join(f"{day} ({told.get(day, 0)} rows, {old[day]} before)" for day in lacking[:SHOWN])
    more = f" and {len(lacking) - SHOWN} days more" if len(lacking) > SHOWN else ""
    return Conflict(
        f"{reload.source} was made anew, and tells less than the table before it of {days}{more}; nothing was changed. When it has been "
        "filled again, run the pipeline again; or run it with reload: true, which takes it at its word and tells these days as partial"
    )
