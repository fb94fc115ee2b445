"""What a load must come to: counted from the rows as they are made, with Decimal, by no engine and from no file."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeVar

from src.sandbox.gcp.money import nanos, numeric
from src.sandbox.gcp.rows import Row

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class RightTotals:
    rows: int
    billed: Decimal
    credits: Decimal

    @property
    def net(self) -> Decimal:
        return self.billed + self.credits


@dataclass(frozen=True, slots=True)
class Answers:
    """Of the load days asked for, as they could be read on a certain day. All money is in the currency of its key."""

    rows: int
    by_invoice_month: Mapping[tuple[str, str], RightTotals]
    by_usage_day: Mapping[tuple[str, date], RightTotals]
    by_cost_type: Mapping[tuple[str, str], RightTotals]
    by_project: Mapping[tuple[str, str | None], RightTotals]
    by_credit_type: Mapping[tuple[str, str], Decimal]


def count(rows: Iterable[Row]) -> Answers:
    counted = list(rows)
    credit_types: dict[tuple[str, str], int] = defaultdict(int)
    for row in counted:
        for credit in row.credits:
            credit_types[row.currency, credit.kind.type] += nanos(credit.amount)
    return Answers(
        len(counted),
        totals(counted, lambda row: (row.currency, row.invoice.month)),
        totals(counted, lambda row: (row.currency, row.usage_day)),
        totals(counted, lambda row: (row.currency, row.cost_type)),
        totals(counted, lambda row: (row.currency, row.project.id if row.project else None)),
        {key: numeric(amount) for key, amount in sorted(credit_types.items())},
    )


def totals(rows: Iterable[Row], key: Callable[[Row], K]) -> dict[K, RightTotals]:
    sums: dict[K, list[int]] = {}
    for row in rows:
        held = sums.setdefault(key(row), [0, 0, 0])
        held[0] += 1
        held[1] += nanos(row.cost)
        held[2] += credit_sum(row)
    return {name: RightTotals(rows, numeric(billed), numeric(credited)) for name, (rows, billed, credited) in sums.items()}


def credit_sum(row: Row) -> int:
    return sum(nanos(credit.amount) for credit in row.credits)
