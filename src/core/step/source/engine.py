"""One engine for slices of sources: those that changed are listed, brought, and published with all that follows from them."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar

from pydantic import Field

from src.core.base.documents import Document, read_document
from src.core.base.faults import Flaw, Misconfigured, Rejected
from src.core.base.identity import Tenant
from src.core.base.names import did_you_mean
from src.core.base.schema import Field as Column
from src.core.base.schema import TableSchema
from src.core.base.table_facts import TableFacts
from src.core.base.window import Window
from src.core.engine.port import LOAD_DAY, Params
from src.core.providers.slices import SourceChanged
from src.core.step import credentials
from src.core.step.books.completeness import Calendar
from src.core.step.books.coverage import KnownSlices
from src.core.step.books.history import restated_facts
from src.core.step.books.housekeeping import Housekeeping
from src.core.step.books.rules import Books, Raw
from src.core.step.books.shared_views import Views, read_views
from src.core.step.context import StepConfig, StepContext, StepPlace, StepResult
from src.core.step.counted import opened_now
from src.core.step.credential_use import in_use
from src.core.step.credentials import OpenCredential
from src.core.step.placeholders import bind_sql
from src.core.step.source.config import SourceStep, place_flaws, read_query_flaws, read_step
from src.core.step.source.fetching import SLICE, ToRead, fetch_batches, inbox
from src.core.step.source.in_flight import count_in_flight
from src.core.step.source.load import already_published, prepare, publish, track
from src.core.step.source.load_parts import Closed, Landing, Published, SourceLoad, SourceStates
from src.core.step.source.planning import Planned, left_sources, plan_sources, reload_of, remedy_of
from src.core.step.source.port import Source
from src.core.step.source.staged import find_staged, forget, require_staged, stage

# bounds what an engine sorts and holds at once; a month of a large account is several statements of one publication
ROWS_PER_STATEMENT = 4_000_000
LISTINGS = 3  # how often a listing is asked again because the source changed under it


class EngineFacts(Document):
    """`config.yml` of the templates."""

    write_mode: Literal["append", "overwrite", "truncate"] = "overwrite"
    rows_per_statement: int = Field(default=ROWS_PER_STATEMENT, ge=1)
    templates: dict[str, TableFacts] = Field(default_factory=dict)


class Leaf(Protocol):
    """A provider, as far as it differs from the others."""

    @property
    def name(self) -> str: ...

    def open(
        self, context: StepContext, tenant: Tenant, credential: OpenCredential, step: SourceStep
    ) -> AbstractContextManager[Sequence[Source]]:
        """What this credential opens and this step reads, until the block is left."""
        ...

    def counting(self, context: StepContext, tenant: Tenant) -> frozenset[str]:
        """The names of the sources whose money counts, of all credentials of the organisation."""
        ...

    def beside(self, source: str) -> bool:
        """Whether rows of this source stand beside the money, so that no day lacks anything where it tells nothing."""
        ...

    def sources_of(self, account: str) -> frozenset[str]:
        """The sources that count of what a credential opens, as `opened_sources` names it."""
        ...

    def named_after(self, source: str) -> str | None:
        """The account of which a source tells by its name, where several may tell of the same."""
        ...

    def asks(self, table: str | None) -> bool:
        """Whether its provider is asked for what fills this table: then a credential that it reads to the end with is VALID."""
        ...

    def asked(self, context: StepContext, tenant: Tenant) -> Params:
        """What the questions of its books name beside days."""
        ...


@dataclass(frozen=True, slots=True)
class SourceEngine:
    """One provider's, with the templates and books that its folders hold."""

    leaf: Leaf
    facts: EngineFacts
    templates: Mapping[str, TableSchema]
    own: Housekeeping
    books: Mapping[str, Books]
    views: Views

    @classmethod
    def read(cls, leaf: Leaf, configs: Path, template_dir: Path | None = None) -> Self:
        """`template_dir` holds columns that several tables have in common."""
        facts = read_document(template_dir / "config.yml", EngineFacts) if template_dir else EngineFacts()
        templates = _templates(template_dir / "schema_template.json", facts) if template_dir else {}
        own = Housekeeping.read(configs)
        books = {
            path.parent.relative_to(configs).as_posix(): Books.read(configs, path.parent, templates, own)
            for path in sorted((configs / leaf.name).rglob("books.yml"))
        }
        flaws = [
            Flaw(f"its `provider` is {one.provider}, and its folder is {leaf.name}'s", file=f"{path}/books.yml")
            for path, one in books.items()
            if one.provider != leaf.name
        ]
        flaws += [
            Flaw("a provider has one set of books: what is told of a day is told by provider", file=f"{path}/books.yml")
            for path in [*books][1:]
        ]
        if flaws:
            raise Misconfigured("books cannot be kept", flaws=flaws)
        return cls(leaf, facts, templates, own, books, read_views(configs))

    def check(self, step_config: StepConfig, place: StepPlace) -> list[Flaw]:
        """What is wrong with a step's config, before any run of it."""
        flaws = place_flaws(step_config, place)
        books = self.books.get(str(step_config.get("books")))
        if books is None:
            told = f"there is no configs/{step_config.get('books')}/books.yml{did_you_mean(str(step_config.get('books')), self.books)}"
            return [*flaws, Flaw(told, "books")]
        if step_config.get("reprice") and books.prices is None:
            flaws.append(Flaw("these books have no `prices`, by which days could be priced anew", "reprice"))
        said = step_config.get("destination_table")
        # of what is no text the model tells
        table = said if isinstance(said, str) else None
        if table is not None and table not in books.raw:
            return [*flaws, Flaw(f"is no table of raw rows of these books{did_you_mean(table, books.raw)}", "destination_table")]
        template, given = step_config.get("schema_template"), table and books.raw[table].template
        if template is not None and template != given:
            flaws.append(Flaw(f"{table} has the columns of template {given!r}", "schema_template"))
        query = step_config.get("source_query")
        if query is None and table and books.raw[table].keyed_by_days:
            flaws.append(Flaw(_query_needed(books.raw[table])))
        return [*flaws, *read_query_flaws(query, place)]

    def opens(self, step_config: StepConfig) -> str | None:
        # what is staged was read by the steps that staged it, and what is priced anew was read long since
        if step_config.get("staged_by") or step_config.get("reprice") or not self.leaf.asks(step_config.get("destination_table")):
            return None
        return credentials.opened_by(step_config, self.leaf.name)

    def run(self, step_config: StepConfig, context: StepContext) -> StepResult:
        tenant, step = _tenant(context), read_step(step_config, context)
        # a process killed after its commit is taken over: what it published is not loaded again, only told
        before = already_published(context, tenant)
        if before is not None:
            context.log.info("publication.found", manifest=before["manifest_id"])
            rows = context.services.warehouse.query(tenant, self.own.questions["said_days"], {"provider": self.leaf.name}).to_pylist()
            # the worker may have died between its commit and this: the ledger would go on telling of the days as they were before
            track(context, tenant, self.leaf.name, rows, context.services.clock.now())
            given = {"provider": self.leaf.name, "run_id": context.run_id}
            restated = context.services.warehouse.query(tenant, self.own.questions["restated_by"], given).to_pylist()
            return _result(step, before) | restated_facts(restated)
        if step.reprice:
            published = self._published(step, context, [])
            return _result(step, published.manifest, published.closed)
        if step.staged_by:
            published = self._published_of_stages(step, context)
            return _result(step, published.manifest, published.closed)
        if step.stage and find_staged(context.services.warehouse.io_folder(tenant), context, context.step_id):
            # nobody is asked again, so nothing is learned of the credential either
            return self.stage(step, context, ())
        opened = credentials.opened(step_config, context, self.leaf.name)
        used = in_use(context, opened) if self.leaf.asks(step.destination_table) else nullcontext()
        with used, self.leaf.open(context, tenant, opened, step) as sources:
            if step.stage:
                return self.stage(step, context, sources)
            published = self.load(step, context, sources)
        return _result(step, published.manifest, published.closed)

    def columns(self, step: SourceStep) -> tuple[Column, ...]:
        """Those that rows have as a source gives them."""
        return _theirs(_raw(self._books(step), step, step.destination_table))

    def load(self, step: SourceStep, context: StepContext, sources: Sequence[Source]) -> Published:
        """What a step of this config publishes from these sources."""
        return _listed_again(
            context,
            lambda: self._published(
                step, context, [_Given(step.destination_table, step.source_query, sources, step.late_days, again=step.reload)]
            ),
        )

    def stage(self, step: SourceStep, context: StepContext, sources: Sequence[Source]) -> StepResult:
        """Brings what a later step of the run publishes; once, also when the run is taken over."""
        tenant, io = _tenant(context), context.services.warehouse.io_folder(_tenant(context))
        found = find_staged(io, context, context.step_id)
        if found is None:
            books = self._books(step)
            _raw(books, step, step.destination_table)
            prepare(context, tenant, books, self.views)
            given = _Given(step.destination_table, step.source_query, sources, step.late_days, again=step.reload)
            found = _listed_again(context, lambda: stage(io, context, step, self._plans(context, books, self._known(context), [given])))
        return {"status": "SUCCESS", "destination_table": found.table, "slices_staged": found.slices}

    def _published_of_stages(self, step: SourceStep, context: StepContext) -> Published:
        io = context.services.warehouse.io_folder(_tenant(context))
        found = [require_staged(io, context, name) for name in step.staged_by]
        given = [_Given(one.table, one.query, one.sources, one.late_days, again=one.again) for one in found]
        published = self._published(step, context, given)
        # not before the commit: a run that is taken over until then finds what was staged and asks nobody again
        forget(io, context)
        return published

    def _published(self, step: SourceStep, context: StepContext, given: Sequence["_Given"]) -> Published:
        tenant, books = _tenant(context), self._books(step)
        prepare(context, tenant, books, self.views)
        with inbox(context.services.warehouse.io_folder(tenant), context) as folder:
            return publish(context, tenant, self._loading(step, context, given, folder))

    def _plans(self, context: StepContext, books: Books, known: KnownSlices, given: Sequence["_Given"]) -> tuple[Planned, ...]:
        calendar, window = _calendar(context, books), _window(context)
        context.progress(doing=f"listing {calendar.axis.slices}")
        names = Counter(source.name for one in given for source in one.sources)
        # rows are removed and counted by the name of their source: two of one name would be taken for one
        if twice := [name for name, times in names.items() if times > 1]:
            raise Misconfigured(f"step {context.step_id} reads two sources called {twice[0]}; a source's name is its own")
        for one in given:
            raw = books.raw[one.table or ""]
            count_in_flight(context.services.settings, raw, _shape(raw), one.sources)
        plans = (plan_sources(one.sources, known, window, calendar, late_days=one.late_days, again=one.again) for one in given)
        return tuple(plan for some in plans for plan in some)

    def _loading(self, step: SourceStep, context: StepContext, given: Sequence["_Given"], folder: Path) -> SourceLoad:
        tenant, books, known = _tenant(context), self._books(step), self._known(context)
        raw_of = {source.name: _raw(books, step, one.table) for one in given for source in one.sources}
        plans = self._plans(context, books, known, given)
        to_read = [ToRead(plan.source, plan.filled) for plan in plans if plan.filled]
        batches = fetch_batches(to_read, folder, context, tenant, step.rows_per_statement or self.facts.rows_per_statement)
        # a day is complete only when the sources of the other credentials are too, though this run reads none of them
        asked = {plan.state.source for plan in plans}
        beside = frozenset(source for source in asked | known.held if self.leaf.beside(source))
        # before it is asked which of them count: one that is stored meanwhile is told as not read, and never taken for one that was
        opened, gone = context.services.ledger.read(opened_now, tenant.org_slug, self.leaf.name)
        removed = {source: on for account, on in gone.items() for source in self.leaf.sources_of(account)}
        others = self.leaf.counting(context, tenant) - asked
        return SourceLoad(
            books=books,
            destinations={raw.table: _destination(raw, one.query, context) for one in given for raw in [_raw(books, step, one.table)]},
            window=_window(context),
            reloads=tuple(reload_of(raw_of[plan.state.source], plan, known) for plan in plans if plan.slices),
            batches=tuple(batches),
            sources=SourceStates(
                tuple(plan.loaded for plan in plans),
                tuple(known.state(source) for source in sorted(others)),
                known,
                beside,
                tuple(left_sources(books, known, others | asked | beside, removed)),
                {source: self.leaf.named_after(source) for source in asked | others | known.held},
            ),
            calendar=replace(_calendar(context, books), remedy=remedy_of(books, tenant, opened, self.leaf.sources_of)),
            folder=folder,
            given=self.leaf.asked(context, tenant),
            reprice=step.reprice,
            opened=opened,
            again=any(one.again for one in given),
        )

    def _known(self, context: StepContext) -> KnownSlices:
        tenant = _tenant(context)
        slices, looks = (
            context.services.warehouse.query(tenant, self.own.questions[question], {"provider": self.leaf.name}).to_pylist()
            for question in ("slices", "looks")
        )
        return KnownSlices.of(slices, looks)

    def _books(self, step: SourceStep) -> Books:
        if step.books not in self.books:
            raise Misconfigured(f"there is no configs/{step.books}/books.yml{did_you_mean(step.books, self.books)}")
        return self.books[step.books]


@dataclass(frozen=True, slots=True)
class _Given:
    """Sources, and where their rows go."""

    table: str | None
    query: str | None
    sources: Sequence[Source]
    late_days: int | None
    again: bool


T = TypeVar("T")


def _listed_again(context: StepContext, work: Callable[[], T]) -> T:
    """Anew where a source changed under it."""
    for _ in range(1, LISTINGS):
        try:
            return work()
        except SourceChanged as changed:
            context.log.info("source.changed", detail=changed.detail)
    return work()


def _raw(books: Books, step: SourceStep, table: str | None) -> Raw:
    raw = books.raw.get(table or "")
    if raw is None:
        raise Misconfigured(f"{table} is no table of raw rows of configs/{step.books}/books.yml{did_you_mean(table or '', books.raw)}")
    if step.schema_template not in (None, raw.template):
        raise Misconfigured(f"{raw.table} has the columns of template {raw.template!r}, not of {step.schema_template!r}")
    return raw


def _destination(raw: Raw, asked: str | None, context: StepContext) -> Landing:
    query, params = bind_sql(asked, context.variables) if asked else (None, {})
    # what is staged names its slice as a text, which a column of dates does not take
    if query is None and raw.keyed_by_days:
        raise Misconfigured(_query_needed(raw))
    return Landing(raw, query, params, _shape(raw))


def _shape(raw: Raw) -> TableSchema:
    return TableSchema(raw.table, (*_theirs(raw), Column(LOAD_DAY, "DATE"), Column(SLICE, "STRING")))


def _query_needed(raw: Raw) -> str:
    return f"rows of {raw.table} need a source_query: the column {raw.slice}, which names their slice, is a date"


def _theirs(raw: Raw) -> tuple[Column, ...]:
    ours = {raw.source, raw.slice, *raw.made}
    return tuple(column for column in raw.schema.fields if column.name not in ours)


def _calendar(context: StepContext, books: Books) -> Calendar:
    return Calendar(context.services.clock.now().date(), books.axis)


def _tenant(context: StepContext) -> Tenant:
    if context.tenant is None:
        raise Misconfigured(f"step {context.step_id} loads an organisation's data and was run without one")
    return context.tenant


def _window(context: StepContext) -> Window:
    start, end = context.variables.get("start_date"), context.variables.get("end_date")
    if not isinstance(start, date) or not isinstance(end, date):
        raise Rejected("this pipeline loads the days of a window: give `date`, or `start_date` and `end_date`")
    return Window(start, end)


def _templates(path: Path, facts: EngineFacts) -> dict[str, TableSchema]:
    """`schema_template.json` holds the columns of several tables, each under its name."""
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError) as wrong:
        raise Misconfigured("the schema templates cannot be read", flaws=[Flaw(str(wrong), file=str(path))]) from wrong
    unpaired = sorted(set(raw) ^ set(facts.templates))
    if unpaired:
        raise Misconfigured(
            "the schema templates and config.yml do not agree", flaws=[Flaw("stands in one of them only", unpaired[0], file=str(path))]
        )
    return {name: facts.templates[name].table(name, columns, str(path)) for name, columns in raw.items()}


def _result(step: SourceStep, manifest: Mapping[str, Any], closed: Closed | None = None) -> StepResult:
    result: StepResult = {
        "status": "SUCCESS",
        "rows_processed": manifest["rows_written"],
        "destination_table": step.destination_table or ", ".join(manifest["tables"]),
        "manifest_id": manifest["manifest_id"],
        "tables": manifest["tables"],
        "totals": manifest["totals"],
        "unread": manifest["unread"],
        "columns_unknown": manifest["columns_unknown"],
        "quality": manifest["quality"],
    }
    if closed:
        counts = Counter(told.standing.completeness for told in {one.day: one for one in closed.days}.values())
        result |= {"completeness": dict(counts), "restated": len(closed.restated), "days_touched": len(closed.touched)}
        result |= {"days_changed": len(closed.days_changed)} | _priced(closed)
        rows = [one.row(manifest["provider"], manifest["pipeline_logging_id"], manifest["published_at"]) for one in closed.restated]
        result |= restated_facts(rows)
    return result


def _priced(closed: Closed) -> dict[str, Any]:
    """Of books that price use: which figures the days tell, and what has no price."""
    if closed.rates is None:
        return {}
    figures = Counter(told.said.figure for told in closed.days if told.said)
    return {"figures": dict(figures), "unpriced": list(closed.unpriced), "tells": list(closed.tells)}
