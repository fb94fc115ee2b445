"""What a provider's costs come to by usage and by its own report, which of both is the bill, and how much of it is explained."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, get_args

from src.core.base import cursors
from src.core.base.faults import Flaw, Missing, Rejected
from src.core.base.identity import Tenant
from src.core.base.names import did_you_mean, identifier
from src.core.base.window import Window
from src.core.costs.amounts import EXACT
from src.core.costs.completeness import Status, calendar_of
from src.core.costs.reader import CostReader
from src.core.engine.port import Scalar

ReconciledGroup = Literal["day", "month", "account", "project", "model", "line_item", "cause"]
Figure = Literal["reported", "computed", "mixed"]
Sides = Literal["both", "computed", "reported", "mixed", "neither"]

GROUPS: Final[tuple[ReconciledGroup, ...]] = get_args(ReconciledGroup)
MOST_GROUPS: Final = 2
SIDES: Final[tuple[Sides, ...]] = get_args(Sides)
CAUSES: Final = (
    "cache",
    "batch",
    "tier",
    "long_context",
    "rate_differs",
    "model_unknown",
    "not_in_usage",
    "not_in_report",
    "late_data",
    "rounding",
    "unexplained",
)
# what of the billed money is not explained to the cent
OPEN: Final = ("unexplained", "rate_differs", "model_unknown", "late_data", "not_in_usage", "not_in_report")
STATES: Final = ("ok", "warn", "hold")
SHARE_DECIMALS: Final = Decimal("0.000001")
PLACES: Final = 3
# a dataset of an earlier release has no such column, and nothing of that cause
LATER_CAUSE: Final = "cause_not_in_report"
NOTHING_OF_IT: Final = "CAST(0 AS BIGNUMERIC)"
TABLES: Final[Mapping[str, str]] = {"reconciliation": "cost_reconciliation_daily", "bill": "bill_daily"}


@dataclass(frozen=True, slots=True)
class ReconciliationQuestion:
    provider: str
    window: Window
    groups: tuple[ReconciledGroup, ...] = ("day",)
    filters: Mapping[str, str | None] = field(default_factory=dict)
    """By project, model and currency."""

    @property
    def by_cause(self) -> bool:
        return "cause" in self.groups

    def parameters(self) -> dict[str, Scalar]:
        # without a name the engines would compare with NULL, which is neither equal nor unequal
        group_1, group_2 = (*self.groups, "", "")[:MOST_GROUPS]
        named = {name: self.filters.get(name) for name in ("project", "model", "currency")}
        return {
            "provider": self.provider,
            "first_day": self.window.start,
            "last_day": self.window.end,
            "group_1": group_1,
            "group_2": group_2,
            **named,
        }

    def fingerprint(self, tenant: Tenant) -> str:
        asked = [tenant.dataset, {name: str(value) for name, value in self.parameters().items()}]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ReconciledLine:
    keys: Mapping[str, str | None]
    currency: str | None
    """None on a day of which nothing is known."""
    billed: Decimal | None = None
    computed: Decimal | None = None
    reported: Decimal | None = None
    difference: Decimal | None = None
    causes: Mapping[str, Decimal | None] = field(default_factory=dict)
    ratios: tuple[Decimal | None, Decimal | None] = (None, None)
    figure: Figure | None = None
    sides: Sides = "neither"
    remainder: str | None = None
    lines: int = 0


@dataclass(frozen=True, slots=True)
class VerifiedMonth:
    """`money` is what was billed without signs, so that no credit hides a charge."""

    month: str
    currency: str
    billed: Decimal | None
    money: Decimal
    verified: Decimal
    open: Mapping[str, Decimal]

    @property
    def share(self) -> Decimal | None:
        """Rounded down: a share of 1 says that all of it is explained. None of nothing."""
        if not self.money:
            return None
        return EXACT.divide(self.verified, self.money).quantize(SHARE_DECIMALS, rounding="ROUND_DOWN", context=EXACT)


@dataclass(frozen=True, slots=True)
class Reconciled:
    lines: tuple[ReconciledLine, ...]
    months: tuple[VerifiedMonth, ...]
    sides: Mapping[Sides, int]
    not_both: tuple[tuple[date, Sides], ...]
    first_day: date | None
    told_since: datetime | None
    completeness: Mapping[Status, int]
    as_of: datetime | None
    next_cursor: str | None


def reconciled_groups(given: Sequence[str]) -> tuple[ReconciledGroup, ...]:
    names = [name.strip() for part in given for name in part.split(",") if name.strip()]
    for name in names:
        if name not in GROUPS:
            mend = did_you_mean(name, GROUPS) or f"; choose of {', '.join(GROUPS)}"
            raise Rejected(f"a reconciliation is not grouped by {name[:60]!r}{mend}", flaws=[Flaw("is not a group", "group_by")])
    if len(set(names)) != len(names) or len(names) > MOST_GROUPS:
        raise Rejected(f"name at most {MOST_GROUPS} groups, each once", flaws=[Flaw("names too many groups", "group_by")])
    groups = tuple(group for group in GROUPS if group in names)
    return tuple(sorted(groups, key=names.index)) or ("day",)


def read_reconciliation(reader: CostReader, question: ReconciliationQuestion, limit: int, cursor: str | None = None) -> Reconciled:
    fingerprint = question.fingerprint(reader.tenant)
    after = cursors.place_of(cursor, fingerprint, _place) if cursor else (None, None, None)
    tables = {f"asked_{name}": f"{question.provider}_{table}" for name, table in TABLES.items()}
    if not reader.has(*tables.values(), "x_cost_daily"):
        raise Missing(
            f"{question.provider} has not been reconciled for {reader.tenant.org_slug} yet: load its usage and costs first, "
            f"POST /api/v1/pipelines/run/{reader.tenant.org_slug}/{question.provider}/usage_cost"
        )
    text = reader.statement("reconciliation")
    later = LATER_CAUSE if LATER_CAUSE in reader.warehouse.columns(reader.tenant, tables["asked_reconciliation"]) else NOTHING_OF_IT
    text = text.replace(f"{{{LATER_CAUSE}}}", later)
    for placeholder, table in tables.items():
        text = text.replace(placeholder, f"`{identifier(table)}`")
    given = {**question.parameters(), **dict(zip(("after_1", "after_2", "after_3"), after, strict=True)), "page_rows": limit + 1}
    [row] = reader.warehouse.query_again(reader.tenant, text, given).to_pylist()
    found: dict[str, list[dict[str, Any]]] = reader.seen({name: value or [] for name, value in row.items()}, given)
    # ARRAY_AGG promises no order
    rows = sorted(found["page"], key=_order)
    shown = rows[:limit]
    days = {one["usage_date"]: _sides(one) for one in found["days"]}
    began = found["began"][0] if found["began"] else {"first_day": None, "told_since": None}
    calendar = calendar_of(found["marks"], [], [], reader.now)
    lines = [_line(one, question) for one in shown]
    if question.groups == ("day",):
        lines = _with_gaps(lines, question.window, after[0], last=len(rows) <= limit)
    return Reconciled(
        lines=tuple(lines),
        months=tuple(_month(one) for one in sorted(found["months"], key=lambda one: (one["month"], one["currency"]))),
        sides={name: [days.get(day, "neither") for day in question.window].count(name) for name in SIDES},
        not_both=tuple((day, days.get(day, "neither")) for day in question.window if days.get(day) != "both"),
        first_day=began["first_day"],
        told_since=began["told_since"],
        completeness=calendar.counts(question.window),
        as_of=calendar.as_of,
        next_cursor=cursors.cursor_of(fingerprint, _order(shown[-1])) if len(rows) > limit else None,
    )


def _order(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["place_1"], row["place_2"], row["currency"]


def _place(parts: list[Any]) -> tuple[str, str, str]:
    if len(parts) != PLACES or not all(isinstance(part, str) for part in parts):
        raise ValueError("not three texts")
    first, second, third = parts
    "".join(parts).encode()  # JSON can write half a character, which no engine takes
    return first, second, third


def _line(row: Mapping[str, Any], question: ReconciliationQuestion) -> ReconciledLine:
    return ReconciledLine(
        keys=dict(zip(question.groups, (row["key_1"], row["key_2"]), strict=False)),
        currency=row["currency"],
        billed=row["billed"],
        computed=row["computed"],
        reported=row["reported"],
        difference=row["difference"],
        causes={name: row[name if name == "unexplained" else f"cause_{name}"] for name in CAUSES},
        ratios=(row["least_ratio"], row["most_ratio"]),
        figure=_same(row["first_figure"], row["last_figure"]),
        sides=_sides(row),
        remainder=STATES[row["state"]],
        lines=row["line_count"],
    )


def _sides(row: Mapping[str, Any]) -> Sides:
    found: Sides = _same(row["first_sides"], row["last_sides"])
    return found


def _same(first: Any, last: Any) -> Any:
    return first if first == last else "mixed"


def _month(row: Mapping[str, Any]) -> VerifiedMonth:
    verified = EXACT.subtract(row["money"], row["open_money"])
    return VerifiedMonth(row["month"], row["currency"], row["billed"], row["money"], verified, {name: row[name] for name in OPEN})


def _with_gaps(lines: list[ReconciledLine], window: Window, after: str | None, *, last: bool) -> list[ReconciledLine]:
    """A day of which nothing is known stands among the others, so that its lack is not taken for agreement."""
    have = {line.keys["day"] for line in lines}
    first = after[1:] if after else ""
    until = "" if last else max((str(day) for day in have), default="")
    gaps = [
        ReconciledLine({"day": str(day)}, None)
        for day in window
        if str(day) not in have and str(day) > first and (last or str(day) < until)
    ]
    return sorted([*lines, *gaps], key=lambda line: (line.keys["day"] or "", line.currency or ""))
