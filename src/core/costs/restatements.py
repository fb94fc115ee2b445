"""What a day or an invoice month said before and says now, as a sentence that a person reads."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from src.core.costs.amounts import CENTS, EXACT, money

DONE: Final = {
    "correction": "corrected it on {days}",
    "late rows": "wrote rows of it late, on {days}",
    "restated load day": "wrote its rows of {days} anew",
    "tax": "charged tax on {days}",
    "rounding": "rounded it on {days}",
    "read for the first time": "had told of it on {days}, which was read for the first time",
}
AMOUNT: Final = re.compile(r"^[+-][0-9.]+ ")
ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class ShownRestatement:
    provider: str
    grain: str
    period: str
    currency: str
    billed_before: Decimal | None
    billed_after: Decimal | None
    net_before: Decimal | None
    net_after: Decimal | None
    said_since: datetime | None
    changed_at: datetime
    reason: str
    pipeline_logging_id: str
    sentence: str


def restatement(row: Mapping[str, Any], titles: Mapping[str, str]) -> ShownRestatement:
    """Of a row of `x_cost_history`, whose causes stand there as JSON."""
    facts = {name: value for name, value in row.items() if name != "causes"}
    title = titles.get(row["provider"], row["provider"])
    return ShownRestatement(**facts, sentence=_sentence(row, title))


def _sentence(row: Mapping[str, Any], title: str) -> str:
    before, after, coin = row["net_before"], row["net_after"], row["currency"]
    if _cents(before) != _cents(after):
        # what differs by less would look the same
        before, after = _cents(before), _cents(after)
    year = int(row["period"][:4])
    when, changed = _period(row), _day(row["changed_at"].date(), year)
    if before is None:
        became = f"nothing became {money(after)} {coin}"
    elif after is None:
        became = f"{money(before)} {coin} is gone since"
    else:
        became = f"{money(before)} {coin} became {money(after)} {coin} ({_signed(EXACT.subtract(after, before))})"
    on = changed if after is None else f"on {changed}"
    return f"{when}: {became} {on}: {_why(row, title, year)}."


def _period(row: Mapping[str, Any]) -> str:
    period = row["period"]
    if row["grain"] == "day":
        return _day(date.fromisoformat(period))
    return f"Invoice of {date(int(period[:4]), int(period[4:]), 1):%B %Y}"


def _why(row: Mapping[str, Any], title: str, year: int) -> str:
    causes = json.loads(row["causes"] or "[]") or []
    nets = [Decimal(cause["net"]) for cause in causes]
    left = EXACT.subtract(EXACT.subtract(row["net_after"] or ZERO, row["net_before"] or ZERO), sum(nets, ZERO))
    told = [_done(cause, year) for cause in causes]
    # what no cause explains stands last in the reason
    rest = AMOUNT.sub("", row["reason"].split("; ")[-1])
    if len(told) == 1 and not left:
        return f"{title} {told[0]}"
    if told:
        each = [f"{one} ({_signed(net)})" for one, net in zip(told, nets, strict=True)]
        return f"{title} " + " and ".join(each) + (f"; {_signed(left)} {rest}" if left else "")
    return f"{title}, {rest}"


def _done(cause: Mapping[str, str], year: int) -> str:
    first, last = (date.fromisoformat(cause[name]) for name in ("first_load_day", "last_load_day"))
    days = _day(first, year) if first == last else f"{_day(first, year)} to {_day(last, year)}"
    # kinds of other books are words that stand for themselves
    return DONE.get(cause["cause"], f"told of {cause['cause']} on {{days}}").format(days=days)


def _day(day: date, year: int | None = None) -> str:
    """Without its year where that is the same as of what is spoken of."""
    return f"{day.day} {day:%B}" if day.year == year else f"{day.day} {day:%B %Y}"


def _cents(amount: Decimal | None) -> Decimal | None:
    """For the eye; the amounts beside the sentence have every digit."""
    return None if amount is None else amount.quantize(CENTS, context=EXACT)


def _signed(amount: Decimal) -> str:
    shown = _cents(amount) or amount
    return f"{'+' if amount >= 0 else ''}{money(shown)}"
