"""How one provider's books are kept, read from its configs folder when the service starts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from src.core.base.documents import Document, Located, read_document, read_located, read_text
from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import did_you_mean, identifier, provider_table_flaw
from src.core.base.schema import TableSchema
from src.core.base.table_facts import PartitionFacts, TableFacts
from src.core.step.books.axis import Axis, Period, Used, Written
from src.core.step.books.retelling import RETELLING, Retelling, flaws_of, with_told_since
from src.core.step.onboarding.plan import DatasetConfig
from src.core.step.quality.judge import check_suite
from src.core.step.quality.suite import Suite, load_suite

OWN_QUESTIONS = ("slices", "looks", "shares", "said_days", "said_months")
OWN_TABLES = ("x_source_slices", "x_source_looks", "x_cost_daily", "x_cost_monthly", "x_cost_history", "x_load_manifests")
OF_EVERY_PROVIDER = (
    "write_one",
    "write_many",
    "rows_of_slices",
    "rows_of_days",
    "rows_that_count",
    "touched",
    "spans",
    "accounts",
    "account_days",
    "clear",
    "days",
    "months",
    "months_touched",
    *RETELLING,
)
FIGURES = frozenset({"usage_date", "invoice_month", "currency", "cost", "credits", "net_cost", "row_count", "source_as_of"})
MONEY = ("billed_cost", "credits", "net_cost")
KNOWN = frozenset({"usage_date", "currency", "cost", "credits", "net_cost", "row_count"})
ROWS = "{rows}"
INCOMING = "incoming"


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
    measures: str = "measures.sql"
    sums: tuple[str, ...] = ()
    counts: bool = True


class DerivedFacts(TableFacts):
    fill: str = "fill.sql"


class BooksDocument(Document):
    provider: str
    raw: dict[str, RawFacts] = Field(min_length=1)
    derived: dict[str, DerivedFacts] = Field(min_length=1)
    cost: str
    rivals: str | None = None
    suite: str
    axis: AxisFacts


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """The housekeeping tables of every dataset and the questions asked of them, whatever the provider."""

    schemas: tuple[TableSchema, ...]
    questions: Mapping[str, str]
    templates: Mapping[str, str]
    """Questions asked of every provider's tables, whose names are put in."""

    @classmethod
    def read(cls, configs: Path) -> "Housekeeping":
        folder = configs / "setup" / "organizations" / "onboarding"
        tables = read_document(folder / "config.yml", DatasetConfig).tables
        absent = [name for name in OWN_TABLES if name not in tables]
        # at the start, and not with the first load: books that have nowhere to be kept are no books
        if absent:
            raise Misconfigured(
                "books cannot be kept",
                flaws=[Flaw(f"the table {name} is not listed", "tables", str(folder / "config.yml")) for name in absent],
            )
        questions = configs / "system" / "books"
        return cls(
            tuple(tables[name].with_columns(folder, name) for name in OWN_TABLES),
            {name: _text(questions / f"{name}.sql") for name in OWN_QUESTIONS},
            {name: _text(questions / f"{name}.sql") for name in OF_EVERY_PROVIDER},
        )


@dataclass(frozen=True, slots=True)
class Raw:
    """One table of raw rows, its columns, and what is asked of it."""

    schema: TableSchema
    template: str | None
    source: str
    slice: str
    day: str
    made: tuple[str, ...]
    sums: tuple[str, ...]
    counts: bool
    """Whether the costs are made of its rows, each of which counts once."""
    write: Mapping[bool, str]
    """How rows that have the columns of the table are written: of a slice that stands alone, and of several."""
    measured: str
    """Of what was staged."""
    written: str
    """The same of what was written of these slices."""
    counted: str
    """The same of what counts of these days."""
    touched: str
    spans: str
    causes: str | None
    accounts: str | None
    account_days: str | None

    @property
    def table(self) -> str:
        return self.schema.name

    @property
    def keyed_by_days(self) -> bool:
        """Whether the column that names a row's slice is a date."""
        return next(column.type for column in self.schema.fields if column.name == self.slice) == "DATE"


@dataclass(frozen=True, slots=True)
class Derived:
    schema: TableSchema
    clear: str
    fill: str
    retelling: Retelling

    @property
    def table(self) -> str:
        return self.schema.name


@dataclass(frozen=True, slots=True)
class Books:
    provider: str
    raw: Mapping[str, Raw]
    derived: tuple[Derived, ...]
    cost: Derived
    rivals: bool
    days: str
    months: str
    months_touched: str
    suite: Suite
    axis: Axis
    own: Housekeeping

    @classmethod
    def read(cls, configs: Path, folder: Path, templates: Mapping[str, TableSchema], own: Housekeeping) -> "Books":
        """From `books.yml`, the schemas and views it names, and the questions beside it."""
        located = read_located(folder / "books.yml", BooksDocument)
        document = located.document
        suite = load_suite(configs / "data_quality" / "expectations" / document.suite)
        plain = {name: facts.with_columns(folder, name) for name, facts in document.derived.items()}
        derived = {name: with_told_since(schema) for name, schema in plain.items()}
        shapes = {name: _shape(name, facts, templates, folder, located) for name, facts in document.raw.items()}
        flaws = [flaw for name, facts in document.raw.items() for flaw in _raw_flaws(name, facts, shapes[name], document, located)]
        flaws += _name_flaws(document, located)
        flaws += _derived_flaws(document, plain, folder, located)
        if flaws:
            raise Misconfigured("books cannot be kept", flaws=flaws)
        check_suite(suite, shapes | derived)
        raw = {name: _raw(facts, shapes[name], folder, own, document.rivals) for name, facts in document.raw.items()}
        fills = {name: _fill(facts.fill, folder, raw, own, document.rivals) for name, facts in document.derived.items()}
        made = {
            name: Derived(
                schema, _put(own.templates["clear"], derived=name), fills[name], Retelling.of(plain[name], fills[name], own.templates)
            )
            for name, schema in derived.items()
        }
        return cls(
            provider=document.provider,
            raw=raw,
            derived=tuple(made.values()),
            cost=made[document.cost],
            rivals=document.rivals is not None,
            days=_put(own.templates["days"], cost=document.cost),
            months=_put(own.templates["months"], cost=document.cost),
            months_touched=_put(own.templates["months_touched"], cost=document.cost),
            suite=suite,
            axis=document.axis.axis,
            own=own,
        )

    @property
    def counted(self) -> tuple[Raw, ...]:
        return tuple(raw for raw in self.raw.values() if raw.counts)

    @property
    def money(self) -> tuple[str, ...]:
        """The sums by which raw rows and costs are held against each other; none where raw rows have no money."""
        return tuple(name for name in MONEY if all(name in raw.sums for raw in self.counted))

    @property
    def schemas(self) -> tuple[TableSchema, ...]:
        derived = (schema for one in self.derived for schema in (one.schema, one.retelling.before))
        return (*(raw.schema for raw in self.raw.values()), *derived)


def _shape(name: str, facts: RawFacts, templates: Mapping[str, TableSchema], folder: Path, located: Located[BooksDocument]) -> TableSchema:
    if facts.template is None:
        own = TableFacts(description=facts.description, partition=facts.partition, cluster=facts.cluster)
        return own.with_columns(folder, name)
    if facts.template not in templates:
        hint = did_you_mean(facts.template, templates)
        flaw = located.flaw(f"there is no schema template {facts.template!r}{hint}", "raw", name, "template")
        raise Misconfigured("books cannot be kept", flaws=[flaw])
    return replace(templates[facts.template], name=identifier(name))


def _raw_flaws(name: str, facts: RawFacts, schema: TableSchema, document: BooksDocument, located: Located[BooksDocument]) -> Iterable[Flaw]:
    named = [("source", facts.source), ("slice", facts.slice), ("day", facts.day), *(("made", column) for column in facts.made)]
    for key, column in named:
        if column not in schema.columns:
            yield located.flaw(f"{name} has no column {column!r}{did_you_mean(column, schema.columns)}", "raw", name, key)
    if "usage_date" not in schema.columns:
        yield located.flaw(f"{name} has no column 'usage_date', by which its days are told", "raw", name)
    if document.rivals and document.rivals not in schema.columns:
        yield located.flaw(f"{name} has no column {document.rivals!r}{did_you_mean(document.rivals, schema.columns)}", "rivals")


def _name_flaws(document: BooksDocument, located: Located[BooksDocument]) -> Iterable[Flaw]:
    for key, tables in (("raw", document.raw), ("derived", document.derived)):
        for name in tables:
            if flaw := provider_table_flaw(name, document.provider):
                yield located.flaw(flaw, key, name)


def _derived_flaws(
    document: BooksDocument, derived: Mapping[str, TableSchema], folder: Path, located: Located[BooksDocument]
) -> Iterable[Flaw]:
    names = {*document.raw, *derived, *(view.stem for view in (folder / "views").glob("*.sql"))}
    for name, schema in derived.items():
        yield from (located.flaw(said, "derived", name) for said in flaws_of(schema, names))
    if document.cost not in derived:
        yield located.flaw(f"{document.cost!r} is no derived table{did_you_mean(document.cost, derived)}", "cost")
    elif absent := sorted(FIGURES - set(derived[document.cost].columns)):
        yield located.flaw(f"{document.cost} lacks {', '.join(absent)}, of which the figures of a day are made", "cost")
    else:
        # what is not known would be added up as nothing
        loose = [column.name for column in derived[document.cost].fields if column.name in KNOWN and column.mode != "REQUIRED"]
        if loose:
            yield located.flaw(f"{document.cost}: {', '.join(loose)} must be REQUIRED; a row without is no figure", "cost")


def _raw(facts: RawFacts, schema: TableSchema, folder: Path, own: Housekeeping, account: str | None) -> Raw:
    columns = {"raw": schema.name, "source": facts.source, "slice": facts.slice, "day": facts.day}
    of_slices = _put(own.templates["rows_of_slices"], **columns)
    measures = _text(folder / "books" / facts.measures)
    causes = folder / "books" / "causes.sql"
    return Raw(
        schema=schema,
        template=facts.template,
        source=facts.source,
        slice=facts.slice,
        day=facts.day,
        made=facts.made,
        sums=facts.sums,
        counts=facts.counts,
        write={
            alone: _put(own.templates["write_one" if alone else "write_many"], **columns).replace(
                "{columns}", ", ".join(f"`{name}`" for name in schema.columns if name not in (facts.source, facts.slice))
            )
            for alone in (True, False)
        },
        measured=measures.replace(ROWS, INCOMING),
        written=_over(measures, of_slices),
        counted=_over(measures, _counting(columns, own, account)),
        touched=_over(own.templates["touched"], of_slices),
        spans=_over(_put(own.templates["spans"], slice=facts.slice, day=facts.day), of_slices),
        causes=_over(_text(causes), of_slices) if causes.exists() else None,
        accounts=_put(own.templates["accounts"], **columns, account=account) if account else None,
        account_days=_put(own.templates["account_days"], **columns, account=account) if account else None,
    )


def _fill(file: str, folder: Path, raw: Mapping[str, Raw], own: Housekeeping, account: str | None) -> str:
    """Over `{rows}` of the only table of raw rows, or over `{name}` of each."""
    text = _text(folder / "books" / file)
    if ROWS in text and len(raw) > 1:
        flaw = Flaw(f"say of which table: {', '.join(f'{{{name}}}' for name in raw)}", ROWS, str(folder / "books" / file))
        raise Misconfigured("books cannot be kept", flaws=[flaw])
    for name, one in raw.items():
        columns = {"raw": name, "source": one.source, "slice": one.slice, "day": one.day}
        rows = f"({_counting(columns, own, account)})"
        text = text.replace(f"{{{name}}}", rows).replace(ROWS, rows)
    return text


def _counting(columns: Mapping[str, str], own: Housekeeping, account: str | None) -> str:
    return _put(own.templates["rows_that_count"], **columns, account=account) if account else _put(own.templates["rows_of_days"], **columns)


def _over(question: str, rows: str) -> str:
    return question.replace(ROWS, f"({rows})")


def _put(question: str, **names: str) -> str:
    for name, value in names.items():
        question = question.replace(f"{{{name}}}", identifier(value))
    return question


def _text(path: Path) -> str:
    return read_text(path, str(path))
