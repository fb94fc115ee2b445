"""What use comes to, and why its provider charges otherwise: counted with Decimal from the facts, by no engine and no price book."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Literal

from src.sandbox.openai.costs import besides, charges_told, listed, priced_as
from src.sandbox.openai.organizations import Organization
from src.sandbox.openai.prices import published
from src.sandbox.openai.usage import used

Cause = Literal["long_context", "rate_differs", "model_unknown", "not_in_usage", "late_data"]
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class RightFigure:
    """One kind of one use, or one charge that no report of use shows."""

    day: date
    at: int
    project: str
    key: str | None
    endpoint: str
    model: str | None
    """As the report of use names it."""
    price_name: str
    tier: str
    line_item: str
    kind: str
    quantity: Decimal
    listed: Decimal | None
    """At the list's price, each request taken for a short one. None where no published list has it."""
    longer: Decimal
    """What the list asks for more because the requests are long."""
    charged: Decimal | None
    """What the cost report says. None while it does not tell of the day."""

    def why(self) -> Iterator[tuple[Cause, Decimal]]:
        """What the report has beyond use at the list's prices, by cause."""
        if self.charged is None:
            yield "late_data", -(self.listed or NOTHING)
        elif self.listed is None:
            yield "model_unknown", self.charged
        elif not self.endpoint:
            yield "not_in_usage", self.charged
        else:
            yield "long_context", self.longer
            yield "rate_differs", self.charged - self.listed - self.longer


@dataclass(frozen=True)
class RightFigures:
    figures: tuple[RightFigure, ...]

    def of(self, **wanted: object) -> "RightFigures":
        """Those that are so: `of(price_name="o3", tier="batch")`."""
        return RightFigures(tuple(one for one in self.figures if all(getattr(one, name) == value for name, value in wanted.items())))

    @property
    def listed(self) -> Decimal:
        return sum((one.listed or NOTHING for one in self.figures), NOTHING)

    @property
    def charged(self) -> Decimal:
        return sum((one.charged or NOTHING for one in self.figures), NOTHING)

    @cached_property
    def causes(self) -> Mapping[Cause, Decimal]:
        sums: dict[Cause, Decimal] = {}
        for one in self.figures:
            for cause, amount in one.why():
                sums[cause] = sums.get(cause, NOTHING) + amount
        return sums


def right_figures(organization: Organization, first: date, last: date, now: datetime) -> RightFigures:
    """Of the days as the reports tell them at a moment."""
    days = (first + timedelta(number) for number in range((last - first).days + 1))
    return RightFigures(tuple(one for day in days for one in _of_day(organization, day, now)))


def _of_day(organization: Organization, day: date, now: datetime) -> Iterable[RightFigure]:
    told = charges_told(organization, day, now.date())
    for use in used(organization, day, now.date(), int(now.timestamp())):
        work, name = use.workload, priced_as(use)
        by, share = work.key.name if work.key else None, organization.pays(name, use.at)
        for one, whole in zip(listed(use, day, long=False), listed(use, day, long=work.long), strict=True):
            yield RightFigure(
                day=day,
                at=use.at,
                project=work.project,
                key=by,
                endpoint=work.endpoint,
                model=work.model,
                price_name=name,
                tier=work.price_tier,
                line_item=one.item,
                kind=one.kind,
                quantity=one.quantity,
                listed=one.amount if published(name, one.kind, day) else None,
                longer=whole.amount - one.amount,
                charged=whole.amount * share if told else None,
            )
    if told:
        yield from _besides(organization, day)


def _besides(organization: Organization, day: date) -> Iterator[RightFigure]:
    for one in besides(organization, day):
        yield RightFigure(
            day=day,
            at=one.at,
            project=one.project,
            key=one.key,
            endpoint="",
            model=None,
            price_name="",
            tier="standard",
            line_item=one.line_item,
            kind="",
            quantity=one.quantity or NOTHING,
            listed=NOTHING,
            longer=NOTHING,
            charged=one.amount,
        )
