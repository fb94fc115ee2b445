"""What models cost: by model, kind of token, project and key, with what caches and batches saved."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, Literal, get_args

from src.core.base import cursors
from src.core.base.faults import Flaw, Rejected
from src.core.base.identity import Tenant
from src.core.base.names import did_you_mean
from src.core.base.redaction import redacted_text
from src.core.base.window import Window
from src.core.costs.amounts import EXACT
from src.core.costs.completeness import CompletenessCalendar, Status, calendar_of, together
from src.core.costs.model_sources import LeftOut, ModelSources, tell_apart
from src.core.costs.question import fingerprint_of
from src.core.costs.reader import CostReader
from src.core.engine.port import Scalar

ModelGroup = Literal["model", "token_kind", "project", "key", "user", "account", "service_tier", "day", "month", "provider"]
ModelFigure = Literal["reported", "computed", "estimated", "mixed"]

GROUPS: Final[tuple[ModelGroup, ...]] = get_args(ModelGroup)
# at Anthropic a project is a workspace
SPELLED: Final[Mapping[str, str]] = {"workspace": "project"}
# as many keys as `configs/costs/models.sql` has
MOST_GROUPS: Final = 4
PLACES: Final = 6
UNTOLD_GROUPS: Final = frozenset({"token_kind", "key", "user", "service_tier"})
SIX_DECIMALS: Final = Decimal("0.000001")
MILLION: Final = Decimal(1_000_000)
NOT_COMPLETE_SHOWN: Final = 200
# as the questions of a provider's own books name the days
OWN_DAYS: Final = re.compile(r"@(first|last)\b")


@dataclass(frozen=True, slots=True)
class ModelFilters:
    model: str | None = None
    token_kind: str | None = None
    project: str | None = None
    key: str | None = None
    currency: str | None = None

    @property
    def values(self) -> dict[str, str | None]:
        return {name: getattr(self, name) for name in ("model", "token_kind", "project", "key", "currency")}


@dataclass(frozen=True, slots=True)
class ModelQuestion:
    window: Window
    sources: ModelSources
    groups: tuple[ModelGroup, ...] = ("model",)
    filters: ModelFilters = field(default_factory=ModelFilters)

    @property
    def keys(self) -> tuple[ModelGroup, ...]:
        """Beside the provider, which is told with every row."""
        return tuple(group for group in self.groups if group != "provider")

    def parameters(self) -> dict[str, Scalar]:
        # without a name the engines would compare with NULL, which is neither equal nor unequal
        groups = (*self.keys, *[""] * MOST_GROUPS)[:MOST_GROUPS]
        return {
            "first_day": self.window.start,
            "last_day": self.window.end,
            **{f"group_{place}": group for place, group in enumerate(groups, 1)},
            **self.filters.values,
        }

    def fingerprint(self, tenant: Tenant) -> str:
        return fingerprint_of(tenant, self.window, self.filters.values, self.groups, self.sources.names)


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Of a row, or of all rows of a currency. What is not known of it is None, and never nothing."""

    provider: str | None
    keys: Mapping[str, str | None]
    currency: str | None
    """None where nothing tells it: of use that has no price, in an account that has several."""
    tokens: int | None
    quantity: int | None
    """In `unit`, where all of it is of one."""
    unit: str | None
    requests: int | None
    figure: ModelFigure | None
    cost: Decimal | None
    credits: Decimal | None
    whole: bool
    """Whether the cost lacks nothing that is known to have been used, and none of it is an estimate."""
    cost_least: Decimal | None
    cost_most: Decimal | None
    computed_cost: Decimal | None
    unpriced_tokens: int
    unpriced_rows: int
    cost_per_million: Decimal | None
    input_tokens: int | None
    cached_share: Decimal | None
    cache_saved: Decimal | None
    batch_share: Decimal | None
    batch_saved: Decimal | None
    completeness: Status

    @property
    def net_cost(self) -> Decimal | None:
        return None if self.cost is None or self.credits is None else EXACT.add(self.cost, self.credits)


@dataclass(frozen=True, slots=True)
class ApartUse:
    """Use that a provider tells beside its API's, and that is no cost of it."""

    provider: str
    product: str
    model: str | None
    currency: str | None
    sessions: int | None
    tokens: int | None
    amount: Decimal | None
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class UntoldApart:
    """Days that are over and of which a provider told nothing of such use, which is not that there was none."""

    provider: str
    first_day: date
    last_day: date
    days: int


@dataclass(frozen=True, slots=True)
class SeatMonth:
    provider: str
    invoice_month: str
    first_day: date
    last_day: date
    plan_name: str
    billing_period: str
    unit: str
    seats: int | None
    currency: str
    cost: Decimal | None
    completeness: str
    completeness_reason: str | None


@dataclass(frozen=True, slots=True)
class UnfinishedDay:
    usage_date: date
    provider: str
    completeness: Status
    completeness_reason: str | None


@dataclass(frozen=True, slots=True)
class ModelCosts:
    lines: tuple[ModelCost, ...]
    totals: tuple[ModelCost, ...]
    apart: tuple[ApartUse, ...]
    apart_untold: tuple[UntoldApart, ...]
    seats: tuple[SeatMonth, ...]
    left_out: tuple[LeftOut, ...]
    completeness: Mapping[Status, int]
    not_complete: tuple[UnfinishedDay, ...]
    not_complete_left_off: int
    as_of: datetime | None
    next_cursor: str | None


def model_groups(given: Sequence[str]) -> tuple[ModelGroup, ...]:
    said = [name.strip() for part in given for name in part.split(",") if name.strip()]
    names = [SPELLED.get(name, name) for name in said]
    for name in names:
        if name not in GROUPS:
            mend = did_you_mean(name, GROUPS) or f"; choose of {', '.join(GROUPS)}"
            raise Rejected(
                f"costs of models are not grouped by {redacted_text(name)[:60]!r}{mend}", flaws=[Flaw("is not a group", "group_by")]
            )
    if len(set(names)) != len(names) or len(names) > MOST_GROUPS:
        raise Rejected(f"name at most {MOST_GROUPS} groups, each once", flaws=[Flaw("names too many groups", "group_by")])
    groups = tuple(group for group in GROUPS if group in names)
    return tuple(sorted(groups, key=names.index)) or ("model",)


def read_models(reader: CostReader, question: ModelQuestion, limit: int, cursor: str | None = None) -> ModelCosts:
    fingerprint = question.fingerprint(reader.tenant)
    after = cursors.place_of(cursor, fingerprint, _place) if cursor else (None,) * PLACES
    sources = question.sources.found_in(reader)
    found = _asked(reader, question, sources, after, limit) if sources.tables else _nothing()
    found = reader.seen(found, question.parameters(), sources.names)
    calendar = calendar_of(found["marks"], [], found["spans"], reader.now)
    # of one that was never loaded the days may lack as much as of one that was
    unread = (name for name in sources.names if name in reader.sight.unread and name not in sources.told)
    standing = _Standing(calendar, question, (*sources.told, *unread))
    # ARRAY_AGG promises no order
    rows = sorted(found["page"], key=_order)
    shown = rows[:limit]
    unfinished = list(standing.unfinished())
    return ModelCosts(
        lines=tuple(_cost(row, question, standing) for row in shown),
        totals=tuple(_cost(row, question, standing) for row in sorted(found["totals"], key=lambda row: str(row["place_5"]))),
        apart=tuple(sorted((_apart(row) for row in found["apart"]), key=_texts)),
        apart_untold=tuple(
            one
            for name in tell_apart(reader.configs, sources.told)
            for one in _untold(name, question.window, found["apart_looked"], calendar.today)
        ),
        seats=tuple(sorted((SeatMonth(**row) for row in found["seats"]), key=_texts)),
        left_out=tuple(sorted(sources.left_out, key=lambda one: one.provider)),
        completeness=calendar.counts(question.window),
        not_complete=tuple(unfinished[:NOT_COMPLETE_SHOWN]),
        not_complete_left_off=max(0, len(unfinished) - NOT_COMPLETE_SHOWN),
        as_of=calendar.as_of,
        next_cursor=cursors.cursor_of(fingerprint, _order(shown[-1])) if len(rows) > limit else None,
    )


def _asked(
    reader: CostReader, question: ModelQuestion, sources: ModelSources, after: Sequence[str | None], limit: int
) -> dict[str, list[dict[str, Any]]]:
    text = sources.statement(reader)
    places = {f"after_{number}": place for number, place in enumerate(after)}
    # one row more than is shown tells whether another page follows
    given: dict[str, Any] = {**question.parameters(), **places, "page_rows": limit + 1, "providers": list(sources.told)}
    if OWN_DAYS.search(text):
        given |= {"first": question.window.start, "last": question.window.end}
    [row] = reader.warehouse.query_again(reader.tenant, text, given).to_pylist()
    return {name: value or [] for name, value in row.items()}


def _nothing() -> dict[str, list[dict[str, Any]]]:
    return {name: [] for name in ("page", "totals", "apart", "apart_looked", "seats", "marks", "spans")}


def _order(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (row["provider"], *(row[f"place_{number}"] for number in range(1, PLACES)))


def _place(parts: list[Any]) -> tuple[str, ...]:
    if len(parts) != PLACES or not all(isinstance(part, str) for part in parts):
        raise ValueError("not six texts")
    "".join(parts).encode()  # JSON can write half a character, which no engine takes
    return tuple(parts)


def _texts(one: ApartUse | SeatMonth) -> list[str]:
    return [str(getattr(one, name)) for name in one.__slots__]


@dataclass(slots=True)
class _Standing:
    """How complete the days are that a row stands for."""

    calendar: CompletenessCalendar
    question: ModelQuestion
    providers: tuple[str, ...]
    known: dict[tuple[str | None, date, date], Status] = field(default_factory=dict)

    def of(self, provider: str | None, keys: Mapping[str, str | None]) -> Status:
        first, last = _span(keys, self.question.window)
        held = self.known.get((provider, first, last))
        if held is None:
            held = self.known[provider, first, last] = self._of(provider, Window(first, last))
        return held

    def unfinished(self) -> list[UnfinishedDay]:
        found = []
        for day in self.question.window:
            for provider in self.providers:
                one = self.calendar.standing(day, provider)
                if one.status != "complete" and self._said(day, provider):
                    found.append(UnfinishedDay(day, provider, one.status, one.reason))
        return found

    def _of(self, provider: str | None, window: Window) -> Status:
        names = (provider,) if provider else self.providers
        found = [self.calendar.standing(day, name).status for day in window for name in names if self._said(day, name)]
        return together(found) if found else "missing"

    def _said(self, day: date, provider: str) -> bool:
        # of a day that is not over nothing can be missing yet, and of one before it was used nothing ever is
        if self.calendar.unused(day, provider):
            return False
        return day < self.calendar.today or provider in self.calendar.days.get(day, {})


def _span(keys: Mapping[str, str | None], window: Window) -> tuple[date, date]:
    if day := keys.get("day"):
        return date.fromisoformat(day), date.fromisoformat(day)
    if month := keys.get("month"):
        first = date(int(month[:4]), int(month[4:]), 1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return max(first, window.start), min(last, window.end)
    return window.start, window.end


def _cost(row: Mapping[str, Any], question: ModelQuestion, standing: _Standing) -> ModelCost:
    total = row["provider"] is None
    keys = {} if total else dict(zip(question.keys, (row[f"key_{place}"] for place in range(1, MOST_GROUPS + 1)), strict=False))
    tokens, given = _count(row["tokens"]), _count(row["input_tokens"])
    priced = not (row["ranged_rows"] or row["unpriced_rows"])
    # by these a report may not tell its money, and a row then has use whose cost stands elsewhere
    by = {name for name, value in question.filters.values.items() if value is not None}
    apart = row["untold_cells"] and not UNTOLD_GROUPS.isdisjoint(by if total else by.union(question.keys))
    charged = _count(row["charged_tokens"])
    million = None
    if priced and charged and not row["loose_cells"]:
        million = _rounded(EXACT.divide(EXACT.multiply(row["charged_cost"], MILLION), Decimal(charged)))
    return ModelCost(
        provider=row["provider"],
        keys=keys,
        currency=row["currency"],
        tokens=tokens,
        quantity=_count(row["quantity"]),
        unit=row["unit"],
        requests=_count(row["requests"]),
        figure=row["figure"],
        cost=row["cost"],
        credits=row["credits"],
        whole=priced and not apart and row["cost"] is not None and not row["estimated_cells"],
        # what a cost lacks that stands elsewhere lies in no bounds
        cost_least=None if apart else row["cost_least"],
        cost_most=None if apart else row["cost_most"],
        computed_cost=row["computed_cost"],
        unpriced_tokens=_count(row["unpriced_tokens"]) or 0,
        unpriced_rows=row["unpriced_rows"],
        cost_per_million=million,
        input_tokens=given,
        cached_share=_share(row["cached_tokens"], given),
        cache_saved=_saved(row["cache_saved"], row["cache_unknown"], given),
        batch_share=_share(row["batch_tokens"], tokens),
        batch_saved=_saved(row["batch_saved"], row["batch_unknown"], tokens),
        completeness=standing.of(row["provider"], keys),
    )


def _apart(row: Mapping[str, Any]) -> ApartUse:
    return ApartUse(**{**row, "sessions": _count(row["sessions"]), "tokens": _count(row["tokens"])})


def _untold(provider: str, window: Window, looked: Sequence[Mapping[str, Any]], today: date) -> Iterator[UntoldApart]:
    spans = [(row["first_day"], row["last_day"]) for row in looked if row["provider"] == provider]
    days = [day for day in window if day < today and not any(first <= day <= last for first, last in spans)]
    if days:
        yield UntoldApart(provider, days[0], days[-1], len(days))


def _count(number: Decimal | None) -> int | None:
    return None if number is None else int(number)


def _share(part: Decimal | None, whole: int | None) -> Decimal | None:
    """Nothing of something is 0; of nothing there is no share."""
    return _rounded(EXACT.divide(part or Decimal(0), Decimal(whole))) if whole else None


def _saved(amount: Decimal | None, unknown: int, among: int | None) -> Decimal | None:
    if unknown or not among:
        return None
    return Decimal(0) if amount is None else amount


def _rounded(number: Decimal) -> Decimal:
    return number.quantize(SIX_DECIMALS, rounding=ROUND_HALF_UP, context=EXACT)
