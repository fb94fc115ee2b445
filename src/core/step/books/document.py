"""What a `books.yml` says."""

from typing import Self

from pydantic import Field, model_validator

from src.core.base.documents import Document
from src.core.base.table_facts import PartitionFacts, TableFacts
from src.core.step.books.axis import Axis, Period, Used, Written


class WrittenFacts(Document):
    late_days: int = Field(ge=0, le=120)
    closing_day: int = Field(ge=1, le=28)


class UsedFacts(Document):
    restates: int = Field(ge=0, le=120)


class PeriodFacts(Document):
    closing_day: int = Field(ge=1, le=28)


class AxisFacts(Document):
    """How the slices of the sources lie: exactly one of them."""

    written: WrittenFacts | None = None
    used: UsedFacts | None = None
    period: PeriodFacts | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len([one for one in (self.written, self.used, self.period) if one is not None]) != 1:
            raise ValueError("name one axis: `written`, `used` or `period`")
        return self

    @property
    def axis(self) -> Axis:
        if self.used:
            return Used(self.used.restates)
        if self.period:
            return Period(self.period.closing_day)
        return Written(**dict(self.written or ()))


class RawFacts(Document):
    """A table of rows as sources give them. Its columns and other facts stand in a schema template, or here and in `schemas/`."""

    template: str | None = None
    description: str = ""
    partition: PartitionFacts | None = None
    cluster: tuple[str, ...] = ()
    source: str = "source"
    slice: str = "source_slice"
    day: str = "usage_date"
    made: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    measures: str = "measures.sql"
    sums: tuple[str, ...] = ()
    counts: bool = True
    beside: bool = False


class DerivedFacts(TableFacts):
    fill: str = "fill.sql"


class PriceFacts(Document):
    """Costs are made of use, by the provider's price book."""

    meters: str = "meters.sql"


class ReconciledFacts(Document):
    """Costs are held against what the provider reports as money; docs/reference/reconciliation.md."""

    costs: str
    told: str
    """The raw rows of the report."""
    report: str = "report.sql"
    """Its lines in the words of usage and price book."""
    compared: str
    bill: str
    tells_kinds: bool = True
    """Whether it tells kinds of use apart; else a model's money is one line."""
    tells_quantities: bool = True
    """Whether it tells how much was used, of any line."""
    untold_tiers: tuple[str, ...] = ()
    """Whose use stands in no report."""
    further: str = "system/reconciliation/nothing_further.sql"
    """Asks for rows of the bill of days and accounts that have neither figure."""


class BooksDocument(Document):
    provider: str
    raw: dict[str, RawFacts] = Field(min_length=1)
    derived: dict[str, DerivedFacts] = Field(min_length=1)
    cost: str
    brought_by: str | None = None
    """The pipeline that brings days of its sources."""
    rivals: str | None = None
    suite: str
    axis: AxisFacts
    prices: PriceFacts | None = None
    proofs: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    due: tuple[str, ...] = ()
    tells: str | None = None
    figure: str | None = None
    reconciled: ReconciledFacts | None = None
