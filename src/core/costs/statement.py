"""A month in one answer: what it came to beside the month before, how far it may be trusted, and what it said before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from src.core.base.faults import Unavailable
from src.core.base.window import Window
from src.core.costs.amounts import EXACT, HUNDRED, cents
from src.core.costs.bridge import Bridge, BridgedMonth, MonthFilter, read_bridges
from src.core.costs.completeness import CompletenessCalendar
from src.core.costs.question import CostQuestion, Filters
from src.core.costs.reader import CostReader
from src.core.costs.summary import Summary, read_summary
from src.core.costs.verification import Verification, share_of, titles, verify
from src.core.ledger.tables.invoices import Invoice

TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class NotComplete:
    usage_date: date
    completeness: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class MonthStatement:
    question: CostQuestion
    summary: Summary
    bridges: tuple[Bridge, ...]
    verifications: tuple[Verification, ...]
    not_complete: tuple[NotComplete, ...]
    untold: tuple[str, ...]
    """Providers of whose days some lack, and that have nothing to be bridged."""
    trust: str

    @property
    def month(self) -> date:
        return self.question.window.start

    @property
    def closed(self) -> bool:
        return bool(self.bridges) and not self.untold and all(one.closed for one in self.bridges)

    @property
    def verified(self) -> bool:
        return bool(self.verifications) and not self.untold and all(one.verified for one in self.verifications)


def read_statement(reader: CostReader, question: CostQuestion, papers: Sequence[Invoice], limit: int) -> MonthStatement:
    """`question` is of the whole month. Of one that runs the days that are over are summed and compared, and all are judged."""
    month = question.window
    first, yesterday = month.start, reader.now.date() - timedelta(days=1)
    to_date = replace(question, window=Window(first, max(first, min(month.end, yesterday))))
    summary, bridged = _of_one_moment(reader, to_date, limit)
    verifications = verify(reader, first, bridged.bridges, papers, question)
    not_complete = _not_complete(summary.calendar, question)
    untold = _untold(summary.calendar, question, bridged.bridges)
    said = trust(first, not_complete, bridged.bridges, verifications, _open(bridged.bridges, untold, titles(reader)))
    return MonthStatement(
        to_date,
        summary,
        bridged.bridges,
        tuple(verifications),
        not_complete,
        untold,
        said + _beyond(question.filters),
    )


def _beyond(filters: Filters) -> str:
    """Days, invoices and figures from elsewhere are whole providers' alone, whatever the rows are."""
    named = [f"{name} {value!r}" for name, value in (("service", filters.service), ("project", filters.project)) if value is not None]
    if not named:
        return ""
    alone = f"rows and totals are of {' and '.join(named)} alone"
    return f" This is said of all costs of the month, and so are bridge, restatements and verified share: {alone}."


def _of_one_moment(reader: CostReader, question: CostQuestion, limit: int) -> tuple[Summary, BridgedMonth]:
    """Both are asked by statements of their own; where a publication came in between, again."""
    wanted = MonthFilter(question.filters.provider, question.filters.currency)
    for _ in range(TRIES):
        summary = read_summary(reader, question, limit)
        bridged = read_bridges(reader, question.window.start, wanted)
        if all(bridged.reads.get(provider) == at for provider, at in summary.reads.items()):
            return summary, bridged
    raise Unavailable("loads are published faster than this month can be read; ask again in a moment", retry_after=5)


def _not_complete(calendar: CompletenessCalendar, question: CostQuestion) -> tuple[NotComplete, ...]:
    standing = ((day, calendar.standing(day)) for day in question.window)
    return tuple(NotComplete(day, one.status, one.reason) for day, one in standing if one.status != "complete")


def _untold(calendar: CompletenessCalendar, question: CostQuestion, bridges: Iterable[Bridge]) -> tuple[str, ...]:
    bridged, untold = {one.provider for one in bridges}, set[str]()
    for day in question.window:
        untold |= {one for one in calendar.expected(day) - bridged if calendar.standing(day, one).status != "complete"}
    return tuple(sorted(untold))


def _open(bridges: Iterable[Bridge], untold: Iterable[str], names: dict[str, str]) -> list[str]:
    found = [f"{names.get(one.provider, one.provider)} in {one.currency}: {one.why_open}" for one in bridges if one.why_open]
    return found + [f"{names.get(one, one)}: some of its days lack, and no costs of them were loaded" for one in untold]


def trust(
    first: date,
    not_complete: Sequence[NotComplete],
    bridges: Iterable[Bridge],
    verifications: Sequence[Verification],
    open_: Sequence[str],
) -> str:
    """One sentence, the worst of it first."""
    month = f"{first:%B %Y}"
    bridges = tuple(bridges)
    if not bridges and not verifications:
        return f"Nothing is known of {month}: no costs of it were loaded."
    whole, share = not not_complete and not open_, _share(verifications)
    parts = [_days(month, not_complete), _closed(open_), share]
    if whole and all(one.verified for one in verifications):
        head = "Yes"
    elif whole:
        head = "As far as its providers' own exports go"
    else:
        head = "Not yet"
    return f"{head}: {'; '.join(parts)}."


def _days(month: str, not_complete: Sequence[NotComplete]) -> str:
    if not not_complete:
        return f"every day of {month} is complete"
    first = not_complete[0]
    days = "1 day" if len(not_complete) == 1 else f"{len(not_complete)} days"
    verb = "is" if len(not_complete) == 1 else "are"
    reason = f" ({first.reason})" if first.reason else ""
    return f"{days} of {month} {verb} not complete, the first {first.usage_date}: {first.completeness}{reason}"


def _closed(open_: Sequence[str]) -> str:
    if not open_:
        return "it is closed: its days and the bridge come to its invoices as exported"
    more = f", and {len(open_) - 1} more" if len(open_) > 1 else ""
    return f"it is not closed ({open_[0]}{more})"


def _share(verifications: Sequence[Verification]) -> str:
    checked = [one for one in verifications if one.checks]
    if not checked:
        return "nothing of it is verified, for there is no figure to hold it against"
    told = []
    for currency in sorted({one.currency for one in verifications}):
        mine = [one for one in verifications if one.currency == currency]
        of = sum((_size(one) for one in mine), Decimal(0))
        verified = sum((EXACT.multiply(_size(one), one.share or Decimal(0)) for one in mine), Decimal(0))
        share = share_of(verified, of)
        size = f"{cents(of)} {currency}"
        told.append(f"{percent(share)} of {size}" if share else f"none of {size}")
    return f"verified against a figure from elsewhere: {', '.join(told)}"


def _size(one: Verification) -> Decimal:
    """What is to be verified: the larger of both sides, so that what only the other figure tells is not left out."""
    return max(abs(one.billed or Decimal(0)), *(check.money for check in one.checks), Decimal(0))


def percent(share: Decimal) -> str:
    return f"{EXACT.multiply(share, HUNDRED).quantize(Decimal('0.01'), rounding='ROUND_DOWN')} %"
