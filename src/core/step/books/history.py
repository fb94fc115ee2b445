"""What a day or an invoice month said before, what it says now, and why it changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from src.core.step.books.wording import AS_READ, Wording

Grain = Literal["day", "invoice_month"]
Key = tuple[str, str]
ZERO = Decimal(0)
BILLED = "billed"


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one period and currency."""

    billed: Decimal
    credits: Decimal
    net: Decimal
    rows: int
    since: datetime | None = None
    as_of: datetime | None = None
    run_id: str | None = None
    """Who said it first."""
    figure: str | None = None
    """Which figure it is: what is billed, or what was reported or computed in its place."""

    def same_money(self, other: "Figures") -> bool:
        # the number of rows is left out: one amount told in two rows is no restatement of it
        return (self.billed, self.credits, self.net) == (other.billed, other.credits, other.net)


NOTHING = Figures(ZERO, ZERO, ZERO, 0)


@dataclass(frozen=True, slots=True)
class Cause:
    """Net change of one kind, and the load days that brought it."""

    name: str
    net: Decimal
    first: date
    last: date

    def __str__(self) -> str:
        days = str(self.first) if self.first == self.last else f"{self.first} to {self.last}"
        return f"{self.name} {self.net:+f} (load day{'' if self.first == self.last else 's'} {days})"


@dataclass(frozen=True, slots=True)
class Restatement:
    grain: Grain
    period: str
    currency: str
    before: Figures | None
    after: Figures | None
    causes: tuple[Cause, ...]
    otherwise: str
    """What brought the change that no cause explains."""

    @property
    def unexplained(self) -> Decimal:
        # causes are of the slices read now; where a rival source takes over, figures move without a row of these
        change = (self.after or NOTHING).net - (self.before or NOTHING).net
        return change - sum((cause.net for cause in self.causes), ZERO)

    @property
    def reason(self) -> str:
        told = [str(cause) for cause in self.causes if cause.net]
        if self.unexplained:
            told.append(f"{self.unexplained:+f} {self.otherwise}")
        return "; ".join(told) or "billed cost and credits moved against each other, the net stayed"

    def row(self, provider: str, run_id: str, at: datetime) -> dict[str, Any]:
        before, after = self.before, self.after
        return {
            "provider": provider,
            "grain": self.grain,
            "period": self.period,
            "currency": self.currency,
            "billed_before": before and before.billed,
            "billed_after": after and after.billed,
            "net_before": before and before.net,
            "net_after": after and after.net,
            "said_since": before and before.since,
            "changed_at": at,
            "reason": self.reason,
            "causes": [
                {"cause": cause.name, "net": format(cause.net, "f"), "first_load_day": str(cause.first), "last_load_day": str(cause.last)}
                for cause in self.causes
                if cause.net
            ],
            "pipeline_logging_id": run_id,
        }


MOST_TOLD = 100


def restated_facts(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of `x_cost_history` as a step's result tells them, for who is told of them by mail; nothing where there are none."""
    told = [
        {
            "period": str(row["period"]),
            "currency": row["currency"],
            "was": _amount(row["net_before"]),
            "is": _amount(row["net_after"]),
            "change": _amount((row["net_after"] or ZERO) - (row["net_before"] or ZERO)),
            "reason": row["reason"],
            "changed_at": row["changed_at"].isoformat(),
        }
        for row in [*rows][:MOST_TOLD]
    ]
    return {"restatements": told} if told else {}


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def restatements(
    grain: Grain,
    before: Mapping[Key, Figures],
    after: Mapping[Key, Figures],
    causes: Mapping[Key, Iterable[Cause]],
    words: Wording = AS_READ,
) -> list[Restatement]:
    """Of periods that had figures before. The first time a period is told is no restatement."""
    found = []
    # from what was told, not from what is told now: a figure that is gone is a restatement to nothing
    for key, said in sorted(before.items()):
        now = after.get(key)
        if now is None or not now.same_money(said):
            otherwise = words.of(key[0], other_figure=now is not None and now.figure != said.figure)
            found.append(Restatement(grain, key[0], key[1], said, now, tuple(causes.get(key, ())), otherwise))
    return found


def difference(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]], period: str) -> dict[Key, list[Cause]]:
    """Per period and currency, what each kind of row brought: its sum after less its sum before."""
    nets: dict[tuple[str, str, str], Decimal] = {}
    spans: dict[tuple[str, str, str], tuple[date, date]] = {}
    # sums and not rows are compared: a slice that is read anew has new rows for the same money
    for sign, rows in ((-1, before), (1, after)):
        for row in rows:
            key = (str(row[period]), str(row["currency"]), str(row["cause"]))
            nets[key] = nets.get(key, ZERO) + sign * row["net_cost"]
            first, last = spans.get(key, (row["first_load_day"], row["last_load_day"]))
            spans[key] = (min(first, row["first_load_day"]), max(last, row["last_load_day"]))
    causes: dict[Key, list[Cause]] = {}
    for (when, currency, name), net in sorted(nets.items()):
        causes.setdefault((when, currency), []).append(Cause(name, net, *spans[when, currency, name]))
    return causes
