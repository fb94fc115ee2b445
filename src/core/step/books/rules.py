"""How one provider's books are kept, read from its configs folder when the service starts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from src.core.base.documents import Document, read_document, read_text
from src.core.base.facts import TableFacts, ViewFacts
from src.core.base.faults import Flaw, Misconfigured
from src.core.base.schema import TableSchema
from src.core.step.books.axis import Axis, Used, Written
from src.core.step.onboarding import DatasetConfig
from src.core.step.quality.judge import check_suite
from src.core.step.quality.suite import Suite, load_suite

QUESTIONS = (
    "totals_read",
    "totals_written",
    "touched",
    "accounts",
    "account_days",
    "clear",
    "fill",
    "counted",
    "days",
    "months_touched",
    "months",
    "causes",
)
OWN_QUESTIONS = ("slices", "looks", "shares", "said_days", "said_months")
OWN_TABLES = ("x_source_slices", "x_source_looks", "x_cost_daily", "x_cost_monthly", "x_cost_history", "x_load_manifests")


class WrittenFacts(Document):
    late_days: int = Field(ge=0, le=120)
    closing_day: int = Field(ge=1, le=28)


class UsedFacts(Document):
    restates: int = Field(ge=0, le=120)


class AxisFacts(Document):
    """How the slices of the sources lie: exactly one of them."""

    written: WrittenFacts | None = None
    used: UsedFacts | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.written is None) == (self.used is None):
            raise ValueError("name one axis: `written` or `used`")
        return self

    @property
    def axis(self) -> Axis:
        if self.used:
            return Used(self.used.restates)
        return Written(**dict(self.written or ()))


class BooksDocument(Document):
    provider: str
    raw: str
    template: str
    daily: str
    tables: dict[str, TableFacts]
    views: dict[str, ViewFacts] = Field(default_factory=dict)
    suite: str
    axis: AxisFacts


@dataclass(frozen=True, slots=True)
class Ledgers:
    """The housekeeping tables of every dataset and the questions asked of them, whatever the provider."""

    schemas: tuple[TableSchema, ...]
    questions: Mapping[str, str]

    @classmethod
    def read(cls, configs: Path) -> "Ledgers":
        folder = configs / "setup" / "organizations" / "onboarding"
        tables = read_document(folder / "config.yml", DatasetConfig).tables
        absent = [name for name in OWN_TABLES if name not in tables]
        if absent:
            raise Misconfigured(
                "books cannot be kept",
                flaws=[Flaw(f"the table {name} is not listed", "tables", str(folder / "config.yml")) for name in absent],
            )
        return cls(
            tuple(tables[name].with_columns(folder, name) for name in OWN_TABLES),
            _questions(configs / "system" / "books", OWN_QUESTIONS),
        )


@dataclass(frozen=True, slots=True)
class Books:
    provider: str
    raw: TableSchema
    daily: str
    schemas: tuple[TableSchema, ...]
    views: Mapping[str, str]
    questions: Mapping[str, str]
    suite: Suite
    axis: Axis
    own: Ledgers

    @classmethod
    def read(cls, configs: Path, folder: Path, templates: Mapping[str, TableSchema], own: Ledgers) -> "Books":
        """From `books.yml`, the schemas and views it names, and a file for each question beside it."""
        document = read_document(folder / "books.yml", BooksDocument)
        suite = load_suite(configs / "data_quality" / "expectations" / document.suite)
        if document.template not in templates:
            raise Misconfigured(
                "books cannot be kept",
                flaws=[Flaw(f"there is no schema template {document.template!r}", "template", str(folder / "books.yml"))],
            )
        raw = replace(templates[document.template], name=document.raw)
        schemas = tuple(facts.with_columns(folder, name) for name, facts in document.tables.items())
        check_suite(suite, {schema.name: schema for schema in (raw, *schemas)})
        return cls(
            provider=document.provider,
            raw=raw,
            daily=document.daily,
            schemas=schemas,
            views={name: _text(folder / "views" / f"{name}.sql") for name in document.views},
            questions=_questions(folder / "books", QUESTIONS),
            suite=suite,
            axis=document.axis.axis,
            own=own,
        )


def _questions(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    return {name: _text(folder / f"{name}.sql") for name in names}


def _text(path: Path) -> str:
    return read_text(path, str(path))
