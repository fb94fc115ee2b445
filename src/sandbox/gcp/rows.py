"""One row of a billing export, before it has columns. Times are whole seconds since 1970, UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

Labels = tuple[tuple[str, str], ...]
EPOCH = date(1970, 1, 1)
HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Sku:
    service_id: str
    service: str
    id: str
    description: str
    unit: str
    pricing_unit: str
    units_per_pricing_unit: float
    price: str


@dataclass(frozen=True, slots=True)
class Project:
    id: str
    number: str
    name: str
    labels: Labels
    folder: str


@dataclass(frozen=True, slots=True)
class Location:
    location: str
    country: str | None = None
    region: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    key: str
    value: str
    inherited: bool
    namespace: str


@dataclass(frozen=True, slots=True)
class CreditKind:
    id: str
    type: str
    name: str
    full_name: str


@dataclass(frozen=True, slots=True)
class Adjustment:
    id: str
    description: str
    mode: str
    type: str


@dataclass(frozen=True, slots=True)
class ConsumptionModel:
    id: str
    description: str


class RowInvoice(NamedTuple):
    month: str
    publisher: str


class Credit(NamedTuple):
    kind: CreditKind
    amount: float


class Row(NamedTuple):
    account: str
    invoice: RowInvoice
    sku: Sku
    start: int
    end: int
    exported: int
    cost: float
    cost_at_list: float | None
    currency: str
    rate: float
    amount: float
    cost_type: str = "regular"
    project: Project | None = None
    labels: Labels = ()
    system_labels: Labels = ()
    tags: tuple[Tag, ...] = ()
    place: Location | None = None
    credits: tuple[Credit, ...] = ()
    transaction: str = "GOOGLE"
    seller: str | None = None
    adjustment: Adjustment | None = None
    subscription: str | None = None
    model: ConsumptionModel | None = None
    resources: tuple[str, ...] = ()
    """What the detailed export splits the row by; the standard one does not say."""

    @property
    def usage_day(self) -> date:
        return EPOCH + timedelta(days=self.start // DAY)


def seconds(day: date) -> int:
    return (day - EPOCH).days * DAY


def instant(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
