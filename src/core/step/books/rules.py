"""How one provider's books are kept, read from its configs folder when the service starts."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from src.core.base.documents import Located, read_located
from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import did_you_mean, identifier, provider_table_flaw
from src.core.base.schema import SliceColumns, TableSchema
from src.core.base.table_facts import TableFacts
from src.core.step.books.axis import Axis
from src.core.step.books.document import BooksDocument, RawFacts
from src.core.step.books.housekeeping import Housekeeping
from src.core.step.books.placing import METERS, ROWS, QuestionPlaces, alike, over, put, question_file, question_text, within
from src.core.step.books.reconciled import ReportQuestions, reconciled_flaws, with_reconciled
from src.core.step.books.retelling import Retelling, flaws_of, with_told_since
from src.core.step.prices.kinds import PRICING, Seed, seed_of, seeded
from src.core.step.prices.rates import Rate
from src.core.step.quality.judge import check_suite
from src.core.step.quality.suite import Suite, load_suite

FIGURES = frozenset({"usage_date", "invoice_month", "currency", "cost", "credits", "net_cost", "row_count", "source_as_of"})
UNPRICED = frozenset({"model_told", "service_tier", "token_kind", "unpriced_reason"})
FIGURED = ("figures_of_days", "figures_of_months")
MONEY = ("billed_cost", "credits", "net_cost")
KNOWN = frozenset({"usage_date", "currency", "cost", "credits", "net_cost", "row_count"})
INCOMING = "incoming"
SETTLED = re.compile(r"@settled\b")
RATES = re.compile(r"\brates\b")


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
    """Whether the costs are made of its rows."""
    beside: bool
    """Whether its rows stand beside the money, so that of days which hold nothing else there is nothing to prove."""
    write: Mapping[bool, str]
    """How rows that have the columns of the table are written: of a slice that stands alone, and of several."""
    measured: str
    """Of what was staged."""
    written: str
    """The same of what was written of these slices."""
    counted: str
    """The same of what counts of these days."""
    touched: str
    days_of_rows: str
    loaded: str
    made_before: str | None  # takes away what another source of its name told and this one tells again
    made_before_all: str
    told_by_others: str | None
    spans: str
    causes: str | None
    held: str
    """The days of a span that have rows."""
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
    priced: bool = False
    """Whether it is made of use and rates alone."""
    unpriced: str | None = None
    """What of some days has no price, where its rows say why."""

    @property
    def table(self) -> str:
        return self.schema.name


@dataclass(frozen=True, slots=True)
class Prices:
    """What is asked where costs are made of use."""

    seed: Seed[Rate]
    uses: str
    """The kinds of use of some days."""
    unchanged: str
    """Holds the price book as it is until the publication is there."""


@dataclass(frozen=True, slots=True)
class Books:
    provider: str
    raw: Mapping[str, Raw]
    derived: tuple[Derived, ...]
    cost: Derived
    brought_by: str | None
    rivals: bool
    days: str
    months: str
    months_touched: str
    suite: Suite
    axis: Axis
    own: Housekeeping
    prices: Prices | None
    proofs: Mapping[str, str]
    """By file."""
    doubts: tuple[str, ...]
    due: tuple[str, ...]
    tells: str | None
    figures_of_days: str | None
    figures_of_months: str | None

    @classmethod
    def read(cls, configs: Path, folder: Path, templates: Mapping[str, TableSchema], own: Housekeeping) -> "Books":
        """From `books.yml`, the schemas and views it names, and the questions beside it."""
        located = read_located(folder / "books.yml", BooksDocument)
        document = with_reconciled(located.document)
        suite = load_suite(configs / "data_quality" / "expectations" / document.suite)
        plain = {name: facts.with_columns(folder, name) for name, facts in document.derived.items()}
        derived = {name: with_told_since(schema) for name, schema in plain.items()}
        shapes = {name: _shape(name, facts, templates, folder, located) for name, facts in document.raw.items()}
        flaws = [flaw for name, facts in document.raw.items() for flaw in _raw_flaws(name, facts, shapes[name], document, located)]
        flaws += _name_flaws(document, located)
        flaws += _derived_flaws(document, plain, folder, located)
        flaws += _further_flaws(document, plain, configs, located)
        flaws += reconciled_flaws(document, shapes, plain, located)
        if flaws:
            raise Misconfigured("books cannot be kept", flaws=flaws)
        check_suite(suite, shapes | derived)
        raw = {name: _raw(facts, shapes[name], folder, own, document.rivals) for name, facts in document.raw.items()}
        facts = document.reconciled
        held = ReportQuestions(facts, document.provider, configs, folder) if facts else None
        made, places = _derived(document, plain, _named(_places(document, raw, folder, own), held), held, (configs, folder, own))
        # how far a day may be trusted depends on the moment, so it is asked of every day, and not of those made anew alone
        whole = _named(QuestionPlaces(tuple(raw), {name: f"`{name}`" for name in (*raw, *derived)}), held)
        figure = document.figure
        figured = {name: put(own.templates[name], cost=document.cost, figure=figure) if figure else None for name in FIGURED}
        return cls(
            provider=document.provider,
            raw=raw,
            derived=tuple(made.values()),
            cost=made[document.cost],
            brought_by=document.brought_by,
            rivals=document.rivals is not None,
            days=put(own.templates["days"], cost=document.cost),
            months=put(own.templates["months"], cost=document.cost),
            months_touched=put(own.templates["months_touched"], cost=document.cost),
            suite=suite,
            axis=document.axis.axis,
            own=own,
            prices=_prices(configs, document, places, own),
            proofs={name: places.put_into(question_file(configs, folder, name)) for name in document.proofs},
            doubts=tuple(whole.put_into(question_file(configs, folder, name)) for name in document.doubts),
            due=tuple(whole.put_into(question_file(configs, folder, name)) for name in document.due),
            tells=places.put_into(question_file(configs, folder, document.tells)) if document.tells else None,
            **figured,
        )

    @property
    def counted(self) -> tuple[Raw, ...]:
        return tuple(raw for raw in self.raw.values() if raw.counts)

    @property
    def money(self) -> tuple[str, ...]:
        """The sums by which raw rows and costs are held against each other; none where raw rows have no money."""
        return tuple(name for name in MONEY if self.counted and all(name in raw.sums for raw in self.counted))

    @property
    def asks_settled(self) -> bool:
        """Whether any question goes by the days that can change no more."""
        asked = (*self.doubts, *self.due, *self.proofs.values(), *(one.fill for one in self.derived))
        return any(SETTLED.search(one) for one in asked)

    @property
    def schemas(self) -> tuple[TableSchema, ...]:
        derived = (schema for one in self.derived for schema in (one.schema, one.retelling.before))
        return (*(raw.schema for raw in self.raw.values()), *derived)


def _shape(name: str, facts: RawFacts, templates: Mapping[str, TableSchema], folder: Path, located: Located[BooksDocument]) -> TableSchema:
    slices = SliceColumns(facts.source, facts.slice, facts.day)
    if facts.template is None:
        own = TableFacts(description=facts.description, partition=facts.partition, cluster=facts.cluster)
        return replace(own.with_columns(folder, name), slices=slices)
    if facts.template not in templates:
        hint = did_you_mean(facts.template, templates)
        flaw = located.flaw(f"there is no schema template {facts.template!r}{hint}", "raw", name, "template")
        raise Misconfigured("books cannot be kept", flaws=[flaw])
    return replace(templates[facts.template], name=identifier(name), slices=slices)


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


def _further_flaws(
    document: BooksDocument, derived: Mapping[str, TableSchema], configs: Path, located: Located[BooksDocument]
) -> Iterable[Flaw]:
    """Of prices, proofs and the figure."""
    if document.prices and document.provider not in seeded(configs):
        yield located.flaw(f"{document.provider} has no price book; its seed lies in configs/{document.provider}/seed", "prices")
    if document.rivals and (document.prices or document.proofs):
        # each of the rivals is asked for by itself, and what is made of all of them is not there yet
        yield located.flaw("goes with neither `prices` nor `proofs`", "rivals")
    if not document.proofs and not any(facts.counts for facts in document.raw.values()):
        yield located.flaw("no table of raw rows `counts`, so `proofs` have to show that costs come to what they are made of", "raw")
    fields = {column.name: column for column in derived[document.cost].fields} if document.cost in derived else {}
    if document.figure is not None and fields:
        found = fields.get(document.figure)
        if found is None:
            yield located.flaw(f"{document.cost} has no column {document.figure!r}{did_you_mean(document.figure, fields)}", "figure")
        elif (found.type, found.mode) != ("STRING", "REQUIRED"):
            yield located.flaw(f"{document.cost}.{document.figure} must be a STRING that is REQUIRED", "figure")


def _raw(facts: RawFacts, schema: TableSchema, folder: Path, own: Housekeeping, account: str | None) -> Raw:
    columns = {"raw": schema.name, "source": facts.source, "slice": facts.slice, "day": facts.day}
    of_slices = put(own.templates["rows_of_slices"], **columns)
    measures = question_text(folder / "books" / facts.measures)
    causes, loaded = (folder / "books" / f"{name}.sql" for name in ("causes", "loaded"))
    return Raw(
        schema=schema,
        template=facts.template,
        source=facts.source,
        slice=facts.slice,
        day=facts.day,
        made=facts.made,
        sums=facts.sums,
        counts=facts.counts,
        beside=facts.beside,
        write={
            alone: put(own.templates["write_one" if alone else "write_many"], **columns).replace(
                "{columns}", ", ".join(f"`{name}`" for name in schema.columns if name not in (facts.source, facts.slice))
            )
            for alone in (True, False)
        },
        measured=measures.replace(f"{{{ROWS}}}", INCOMING),
        written=over(measures, of_slices),
        counted=over(measures, _counting(columns, own, account)),
        touched=over(own.templates["touched"], of_slices),
        days_of_rows=over(own.templates["days_of_rows"], of_slices),
        loaded=over(question_text(loaded) if loaded.exists() else put(own.templates["loaded"], slice=facts.slice), of_slices),
        made_before=alike(put(own.templates["made_before"], **columns), facts.alike, schema) if facts.alike else None,
        made_before_all=put(own.templates["made_before_all"], **columns),
        told_by_others=alike(put(own.templates["told_by_others"], **columns, account=account), facts.alike, schema)
        if account and facts.alike
        else None,
        spans=over(put(own.templates["spans"], slice=facts.slice, day=facts.day), of_slices),
        causes=over(question_text(causes), of_slices) if causes.exists() else None,
        held=put(own.templates["days_held"], raw=schema.name),
        accounts=put(own.templates["accounts"], **columns, account=account) if account else None,
        account_days=put(own.templates["account_days"], **columns, account=account) if account else None,
    )


def _places(document: BooksDocument, raw: Mapping[str, Raw], folder: Path, own: Housekeeping) -> QuestionPlaces:
    """Of the days made anew: `{rows}` of the only table of raw rows, or `{name}` of each, and the kinds of use that they tell."""
    texts = {}
    for name, one in raw.items():
        columns = {"raw": name, "source": one.source, "slice": one.slice, "day": one.day}
        texts[name] = within(_counting(columns, own, document.rivals))
    if len(raw) == 1:
        texts[ROWS] = next(iter(texts.values()))
    places = QuestionPlaces(tuple(raw), texts)
    return places.with_text(METERS, places.put_into(folder / "books" / document.prices.meters)) if document.prices else places


def _derived(
    document: BooksDocument,
    plain: Mapping[str, TableSchema],
    places: QuestionPlaces,
    held: ReportQuestions | None,
    where: tuple[Path, Path, Housekeeping],
) -> tuple[dict[str, Derived], QuestionPlaces]:
    """The tables in their order, and what may be asked once all are made."""
    (configs, folder, own), made = where, dict[str, Derived]()
    for name, schema in plain.items():
        places = held.billing(places) if held and name == held.facts.bill else places
        path = question_file(configs, folder, document.derived[name].fill)
        fill = places.put_into(path)
        # what holds costs against a report reads rates too, and comes out otherwise for other causes than those
        priced = document.prices is not None and RATES.search(fill) is not None and f"{{{METERS}}}" in question_text(path)
        since, retelling = with_told_since(schema), Retelling.of(schema, fill, own.templates)
        made[name] = Derived(since, put(own.templates["clear"], derived=name), fill, retelling, priced, _unpriced(since, own))
        # what is made later may be made of it
        places = _named(places.with_text(name, put(own.templates["rows_of_days"], raw=name)), held)
    return made, places


def _named(places: QuestionPlaces, held: ReportQuestions | None) -> QuestionPlaces:
    return held.named(places) if held else places


def _prices(configs: Path, document: BooksDocument, places: QuestionPlaces, own: Housekeeping) -> Prices | None:
    if document.prices is None:
        return None
    seed = seed_of(configs, document.provider, PRICING)
    uses = own.templates["uses"].replace(f"{{{METERS}}}", places.texts[METERS])
    return Prices(seed, uses, put(own.templates["book_unchanged"], book=seed.table))


def _unpriced(schema: TableSchema, own: Housekeeping) -> str | None:
    return put(own.templates["unpriced"], priced=schema.name) if set(schema.columns) >= UNPRICED else None


def _counting(columns: Mapping[str, str], own: Housekeeping, account: str | None) -> str:
    return put(own.templates["rows_that_count"], **columns, account=account) if account else put(own.templates["rows_of_days"], **columns)
