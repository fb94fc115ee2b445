"""Days that are asked for in a query. They have two pairs of names, and a month is a third way to say them."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, NamedTuple, TypeVar

from fastapi import Depends, Query, Request

from src.app.dependencies.auth import parts_of
from src.app.models.pipelines import Day
from src.core.base.faults import Flaw, Rejected
from src.core.costs.invoices import month_asked
from src.core.costs.question import require_order

D = TypeVar("D")

MonthQuery = Annotated[
    str | None, Query(max_length=20, description="YYYY-MM, in place of first and last day; of this month the days so far")
]


class AskedDays(NamedTuple):
    first: date | None
    last: date | None


def asked_days(
    request: Request,
    *,
    first: Annotated[Day | None, Query(alias="from", description="First day")] = None,
    to: Annotated[Day | None, Query(description="Last day, itself included")] = None,
    start_date: Annotated[Day | None, Query(description="The same as `from`")] = None,
    end_date: Annotated[Day | None, Query(description="The same as `to`")] = None,
    month: MonthQuery = None,
) -> AskedDays:
    whole = month_days(request, month)
    since = one_way({"from": first, "start_date": start_date, "month": whole and whole.first})
    until = one_way({"to": to, "end_date": end_date, "month": whole and whole.last})
    if since is not None and until is not None:
        require_order(since, until)
    return AskedDays(since, until)


def month_days(request: Request, month: str | None) -> AskedDays | None:
    if month is None:
        return None
    today = parts_of(request).clock.now().date()
    first = month_asked(month, today)
    return AskedDays(first, min(today, (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)))


def one_way(ways: Mapping[str, D | None]) -> D | None:
    """Said in two ways, it could only be guessed which is meant."""
    said = [way for way, value in ways.items() if value is not None]
    if len(said) > 1:
        both = "mean the same" if "month" not in said else "are two ways to say the days"
        raise Rejected(f"{said[0]} and {said[1]} {both}; send one of them", flaws=[Flaw(f"stands beside {said[0]}", said[1])])
    return ways[said[0]] if said else None


Days = Annotated[AskedDays, Depends(asked_days)]
