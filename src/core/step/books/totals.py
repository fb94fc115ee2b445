"""Control totals: what was written must be what was read, per currency and invoice month, to the last digit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from src.core.base.faults import BooksNotClosed, Flaw

ZERO = Decimal(0)
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Total:
    rows: int = 0
    cost: Decimal = ZERO
    credits: Decimal = ZERO

    def __add__(self, other: "Total") -> "Total":
        return Total(self.rows + other.rows, self.cost + other.cost, self.credits + other.credits)

    @property
    def net(self) -> Decimal:
        return self.cost + self.credits


@dataclass(slots=True)
class Totals:
    """By source, currency and invoice month."""

    of: dict[tuple[str, str, str], Total] = field(default_factory=dict)

    def add(self, source: str, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            key = (source, str(row["currency"] or ""), str(row["invoice_month"] or ""))
            found = Total(row["row_count"], row["cost"] or ZERO, row["credits"] or ZERO)
            self.of[key] = self.of.get(key, Total()) + found

    @property
    def rows(self) -> int:
        return sum(total.rows for total in self.of.values())

    def rows_of(self, source: str) -> int:
        return sum(total.rows for (named, _, _), total in self.of.items() if named == source)

    def shown(self) -> list[dict[str, Any]]:
        return [
            {
                "source": source,
                "currency": currency,
                "invoice_month": month,
                "rows": total.rows,
                "billed_cost": format(total.cost, "f"),
                "credits": format(total.credits, "f"),
                "net_cost": format(total.net, "f"),
            }
            for (source, currency, month), total in sorted(self.of.items())
        ]


def require_closed(read: Totals, written: Totals, listed: Mapping[str, int]) -> None:
    """Raises what keeps the books from closing: each difference with its place."""
    flaws = []
    for key in sorted(read.of.keys() | written.of.keys()):
        theirs, ours = read.of.get(key, Total()), written.of.get(key, Total())
        if theirs != ours:
            source, currency, month = key
            flaws.append(
                Flaw(
                    f"the source says {theirs.rows} rows, cost {theirs.cost:f}, credits {theirs.credits:f}; "
                    f"written were {ours.rows} rows, cost {ours.cost:f}, credits {ours.credits:f}",
                    field=f"{source} {currency} invoice month {month}",
                )
            )
    flaws += [
        Flaw(f"the source lists {rows} rows in the load days read, and gave {read.rows_of(source)}", field=source)
        for source, rows in sorted(listed.items())
        if rows != read.rows_of(source)
    ]
    if flaws:
        raise BooksNotClosed(f"the books do not close, and the old window stays: {flaws[0]}", flaws=flaws)
