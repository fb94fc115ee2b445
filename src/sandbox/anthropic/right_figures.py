"""What use comes to, and why Anthropic charges otherwise: counted with Decimal from the facts, by no engine and no price book."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Literal

from src.sandbox.anthropic.charges import besides, charges_told
from src.sandbox.anthropic.organizations import ORGANIZATIONS, ClaudeOrganization
from src.sandbox.anthropic.prices import SEARCH, UNPUBLISHED, alias, rate
from src.sandbox.anthropic.use import ClaudeUse, used

ClaudeCause = Literal["long_context", "rate_differs", "model_unknown", "not_in_usage", "not_in_report", "unexplained", "late_data"]
NOTHING = Decimal(0)
# as price books name what the reports tell
PRICED_KINDS: Mapping[str, str] = {
    "input": "input",
    "read": "cached_input",
    "write_5m": "cache_write_5m",
    "write_1h": "cache_write_1h",
    "out": "output",
    "searches": "call",
}
WEB_SEARCH = "web-search"
# no dimension of any report tells whose prompts were longer than its threshold
UNTOLD_THRESHOLDS = frozenset({"claude-haiku-5-5"})


@dataclass(frozen=True, slots=True)
class ClaudeFigure:
    """One kind of one use, or one charge that no report of use shows."""

    day: date
    workspace: str | None
    key: str | None
    model: str | None
    """As the report of use names it; None of what it does not show."""
    price_name: str
    tier: str
    region: str
    product: str | None
    kind: str
    quantity: Decimal
    listed: Decimal | None
    """At the list's price, by what the reports of use tell. None where no published list has it."""
    longer: Decimal
    """What the list asks for more because prompts are longer than any report tells."""
    charged: Decimal | None
    """What the cost report says. None while it does not tell of the day."""
    over: int = 0
    """Its prompts are longer than so many tokens, as far as a report tells."""
    in_report: bool = True

    def why(self) -> Iterator[tuple[ClaudeCause, Decimal]]:
        """What the report has beyond use at the list's prices, by cause."""
        if self.charged is None:
            yield "late_data", -(self.listed or NOTHING)
        elif self.tier == "priority":
            yield "not_in_report", -(self.listed or NOTHING)
        elif not self.in_report:
            # blocked by a policy, which no report tells from a line that was lost
            yield "unexplained", -(self.listed or NOTHING)
        elif self.listed is None:
            yield "model_unknown", self.charged
        elif self.model is None:
            yield "not_in_usage", self.charged
        else:
            yield "long_context", self.longer
            yield "rate_differs", self.charged - self.listed - self.longer


@dataclass(frozen=True)
class ClaudeFigures:
    figures: tuple[ClaudeFigure, ...]

    def of(self, **wanted: object) -> "ClaudeFigures":
        """Those that are so: `of(price_name="claude-sonnet-5-5", tier="batch")`."""
        return ClaudeFigures(tuple(one for one in self.figures if all(getattr(one, name) == value for name, value in wanted.items())))

    @property
    def listed(self) -> Decimal:
        return sum((one.listed or NOTHING for one in self.figures), NOTHING)

    @property
    def charged(self) -> Decimal:
        return sum((one.charged or NOTHING for one in self.figures), NOTHING)

    @property
    def quantity(self) -> Decimal:
        return sum((one.quantity for one in self.figures), NOTHING)

    @cached_property
    def causes(self) -> Mapping[ClaudeCause, Decimal]:
        sums: dict[ClaudeCause, Decimal] = {}
        for one in self.figures:
            for cause, amount in one.why():
                sums[cause] = sums.get(cause, NOTHING) + amount
        return sums


def right_figures(organization: ClaudeOrganization, first: date, last: date, now: datetime, *, seats: bool = False) -> ClaudeFigures:
    """Of the days as the reports tell them at a moment, with those children that a parent's report tells of.

    `seats` counts in what is no cost of the API.
    """
    told = (organization, *(ORGANIZATIONS[name] for name in organization.children if not ORGANIZATIONS[name].hipaa))
    days = [first + timedelta(number) for number in range((last - first).days + 1)]
    every = (figure for one in told for day in days for figure in _of_day(one, day, now))
    return ClaudeFigures(tuple(one for one in every if seats or one.product not in ("claude_code", "chat")))


def _of_day(organization: ClaudeOrganization, day: date, now: datetime) -> Iterable[ClaudeFigure]:
    told = charges_told(organization, day, now)
    for use in used(organization, day, now):
        yield from _of_use(organization, use, told=told)
    if told:
        for one in besides(organization, day):
            yield ClaudeFigure(
                day=day,
                workspace=one.workspace,
                key=None,
                model=None,
                price_name="",
                tier="standard",
                region="any",
                product=None,
                kind=one.kind,
                quantity=NOTHING,
                listed=NOTHING,
                longer=NOTHING,
                charged=one.amount,
            )


def _of_use(organization: ClaudeOrganization, use: ClaudeUse, *, told: bool) -> Iterator[ClaudeFigure]:
    work = use.work
    in_report = work.tier != "priority" and not work.blocked
    for kind, number in use.amounts.items():
        if not number:
            continue
        listed, whole = (number * one for one in _rates(use, kind))
        amount = whole * organization.price if in_report else NOTHING
        name = WEB_SEARCH if kind == "searches" else alias(work.model)
        yield ClaudeFigure(
            day=use.day,
            workspace=work.workspace_name,
            key=work.key,
            model=work.model,
            price_name=name,
            tier="standard" if kind == "searches" else "fast" if work.fast else work.tier,
            region="us" if work.geo == "us" and kind != "searches" else "any",
            product=work.product,
            kind=PRICED_KINDS[kind],
            quantity=Decimal(number),
            listed=None if name in UNPUBLISHED or work.tier == "priority" else listed,
            longer=whole - listed,
            charged=amount if told else None,
            over=_told_over(use),
            in_report=in_report,
        )


def _rates(use: ClaudeUse, kind: str) -> tuple[Decimal, Decimal]:
    """For one: by what the reports of use tell, and by what is charged."""
    work = use.work
    if kind == "searches":
        return SEARCH, SEARCH

    def asked(over: int) -> Decimal:
        return rate(work.model, kind, use.day, tier=work.tier, fast=work.fast, geo=work.geo, over=over)

    return asked(_told_over(use)), asked(work.over)


def _told_over(use: ClaudeUse) -> int:
    return 0 if alias(use.work.model) in UNTOLD_THRESHOLDS else use.work.over
