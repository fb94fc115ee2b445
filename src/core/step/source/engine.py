"""One engine for slices of sources: those that changed are listed, brought, and published with all that follows from them."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from src.core.base.documents import Document, read_document
from src.core.base.facts import TableFacts
from src.core.base.faults import Flaw, Misconfigured, Rejected
from src.core.base.identity import Tenant
from src.core.base.names import did_you_mean, identifier
from src.core.base.schema import Field as Column
from src.core.base.schema import TableSchema
from src.core.base.window import Window
from src.core.engine.port import LOAD_DAY
from src.core.providers.export import Listing, LoadDay, SourceChanged
from src.core.step import credentials
from src.core.step.books.axis import Written
from src.core.step.books.closing import Closed, Reload, Sources
from src.core.step.books.completeness import EMPTY, Calendar
from src.core.step.books.coverage import KnownSlices
from src.core.step.books.rules import Books, Ledgers
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.credentials import OpenCredential
from src.core.step.source.load import Destination, Loading, Published, WriteMode, already_published, publish, track
from src.core.step.source.port import Source
from src.core.step.source.staging import ToRead, gathered, inbox
from src.core.step.variables import bind_sql

LISTINGS = 3  # how often a listing is asked again because the source changed under it
ASKED = ("late_days", "reload")  # inputs of a run that stand above the step's config
OURS = ("source_table", "ingest_date", "usage_date")  # columns of a template that the source does not have


class EngineFacts(Document):
    """`config.yml` of the templates."""

    write_mode: WriteMode
    rows_per_statement: int = Field(ge=1)
    templates: dict[str, TableFacts]


class SourceStep(Document):
    """The `config` of a step."""

    source_query: str
    destination_table: str
    schema_template: str = "default"
    write_mode: WriteMode | None = None
    source_tables: tuple[str, ...] = ()
    books: str | None = None
    credential_name: str | None = None
    credential_from: str | None = None
    late_days: int | None = Field(default=None, ge=0, le=120)
    reload: bool = False
    rows_per_statement: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _books_keep_load_days(self) -> Self:
        if self.books and self.write_mode not in (None, "overwrite"):
            raise ValueError(f"books are kept by load day, which are written anew: `write_mode: overwrite`, not {self.write_mode}")
        return self

    @field_validator("destination_table")
    @classmethod
    def _name(cls, value: str) -> str:
        return identifier(value)


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


@dataclass(frozen=True, slots=True)
class SourceEngine:
    """One provider's, with the templates and books that its folders hold."""

    leaf: Leaf
    facts: EngineFacts
    templates: Mapping[str, TableSchema]
    own: Ledgers
    books: Mapping[str, Books]

    @classmethod
    def read(cls, leaf: Leaf, template_dir: Path, configs: Path) -> Self:
        facts = read_document(template_dir / "config.yml", EngineFacts)
        templates = _templates(template_dir / "schema_template.json", facts)
        own = Ledgers.read(configs)
        books = {
            path.parent.relative_to(configs).as_posix(): Books.read(configs, path.parent, templates, own)
            for path in sorted((configs / leaf.name).rglob("books.yml"))
        }
        return cls(leaf, facts, templates, own, books)

    def run(self, step_config: StepConfig, context: StepContext) -> StepResult:
        tenant, step = _tenant(context), _step(step_config, context)
        before = already_published(context, tenant)
        if before is not None:
            context.log.info("publication.found", manifest=before["manifest_id"])
            if step.books:
                rows = context.services.warehouse.query(tenant, self.own.questions["said_days"], {"provider": self.leaf.name}).to_pylist()
                track(context, tenant, self.leaf.name, rows, context.services.clock.now())
            return _result(step, before)
        opened = credentials.opened(step_config, context, self.leaf.name)
        with self.leaf.open(context, tenant, opened, step) as sources:
            published = self.load(step, context, sources)
        return _result(step, published.manifest, published.closed)

    def load(self, step: SourceStep, context: StepContext, sources: Sequence[Source]) -> Published:
        """What a step of this config publishes from these sources."""
        for _ in range(1, LISTINGS):
            try:
                return self._listed_and_published(step, context, sources)
            except SourceChanged as changed:
                context.log.info("source.changed", detail=changed.detail)
        return self._listed_and_published(step, context, sources)

    def _listed_and_published(self, step: SourceStep, context: StepContext, sources: Sequence[Source]) -> Published:
        tenant, books = _tenant(context), self._books(step)
        with inbox(context.services.warehouse.io_folder(tenant), context) as folder:
            loading = self._loading(step, context, sources, books, folder)
            schemas = (*self.own.schemas, *(books.schemas if books else ()))
            return publish(context, tenant, loading, schemas, books.views if books else {})

    def _loading(self, step: SourceStep, context: StepContext, sources: Sequence[Source], books: Books | None, folder: Path) -> Loading:
        tenant, window, calendar = _tenant(context), _window(context), _calendar(context, books)
        known = self._known(context, tenant) if books else KnownSlices()
        wanted = _wanted(step, window, calendar)
        everything = Window(min(wanted.start, known.since or wanted.start), max(calendar.today, wanted.end))
        context.progress(doing="listing load days")
        listings = [one.slices(wanted, everything) for one in sources]
        states = [known.looked_at(one.name, listing, calendar.today) for one, listing in zip(sources, listings, strict=True)]
        to_read = [
            ToRead(one, slices)
            for one, state in zip(sources, states, strict=True)
            if (slices := state.changed(wanted.start, wanted.end, again=step.reload or books is None))
        ]
        rows_at_once = step.rows_per_statement or self.facts.rows_per_statement
        batches = gathered(to_read, folder, context, tenant, rows_at_once)
        read = {one.name: one.slices for one in to_read}
        others = self.leaf.counting(context, tenant) - {state.source for state in states} if books else frozenset()
        return Loading(
            provider=self.leaf.name,
            source=", ".join(one.name for one in sources),
            destination=self._destination(step, context),
            window=window,
            reloads=tuple(_reload(one.name, one.slices, known) for one in to_read),
            batches=tuple(batches),
            sources=Sources(
                tuple(
                    state.with_loaded(read.get(state.source, ()), *_read_through(listing, wanted, calendar))
                    for state, listing in zip(states, listings, strict=True)
                ),
                tuple(known.state(source) for source in sorted(others)),
                known,
            ),
            calendar=calendar,
            books=books,
        )

    def _known(self, context: StepContext, tenant: Tenant) -> KnownSlices:
        warehouse = context.services.warehouse
        there = warehouse.tables(tenant)
        kept = {
            question: warehouse.query(tenant, self.own.questions[question], {"provider": self.leaf.name}).to_pylist()
            for question, table in (("slices", "x_source_slices"), ("looks", "x_source_looks"))
            if table in there
        }
        return KnownSlices.of(kept.get("slices", ()), kept.get("looks", ()))

    def _books(self, step: SourceStep) -> Books | None:
        if step.books is None:
            return None
        if step.books not in self.books:
            raise Misconfigured(f"there is no configs/{step.books}/books.yml{did_you_mean(step.books, self.books)}")
        return self.books[step.books]

    def _destination(self, step: SourceStep, context: StepContext) -> Destination:
        template = self.templates.get(step.schema_template)
        if template is None:
            raise Misconfigured(
                f"there is no schema template {step.schema_template!r}{did_you_mean(step.schema_template, self.templates)}",
                flaws=[Flaw(f"known are {', '.join(self.templates)}", "schema_template")],
            )
        query, params = bind_sql(step.source_query, context.variables)
        theirs = (column for column in template.fields if column.name not in OURS)
        shape = TableSchema(template.name, (*theirs, Column(LOAD_DAY, "DATE")))
        return Destination(
            schema=replace(template, name=step.destination_table),
            mode=step.write_mode or self.facts.write_mode,
            query=query,
            params=params,
            shape=None if step.schema_template == "default" else shape,
        )


def _step(config: StepConfig, context: StepContext) -> SourceStep:
    try:
        asked = {name: context.inputs[name] for name in ASKED if context.inputs.get(name) is not None}
        return SourceStep.model_validate({**config, **asked})
    except ValidationError as wrong:
        flaws = [Flaw(error["msg"], ".".join(str(part) for part in error["loc"])) for error in wrong.errors(include_url=False)]
        raise Misconfigured(f"the config of step {context.step_id} is wrong", flaws=flaws) from None


def _reload(source: str, slices: tuple[LoadDay, ...], known: KnownSlices) -> Reload:
    before = known.state(source)
    looked = before.looks.latest
    read = frozenset(day for day, version in before.loaded.items() if version != EMPTY)
    return Reload(
        source,
        slices,
        restated=tuple(one.day for one in slices if one.day in read),
        first_read=tuple(one.day for one in slices if one.day not in read and (looked is None or one.day < looked)),
    )


def _tenant(context: StepContext) -> Tenant:
    if context.tenant is None:
        raise Misconfigured(f"step {context.step_id} loads an organisation's data and was run without one")
    return context.tenant


def _window(context: StepContext) -> Window:
    start, end = context.variables.get("start_date"), context.variables.get("end_date")
    if not isinstance(start, date) or not isinstance(end, date):
        raise Rejected("this pipeline loads the days of a window: give `date`, or `start_date` and `end_date`")
    return Window(start, end)


def _calendar(context: StepContext, books: Books | None) -> Calendar:
    return Calendar(context.services.clock.now().date(), books.axis if books else Written(late_days=0, closing_day=1))


def _wanted(step: SourceStep, window: Window, calendar: Calendar) -> Window:
    """The slices that a run reads."""
    first, last = calendar.axis.to_read(window.start, window.end, step.late_days)
    return Window(first, max(first, min(calendar.today, last)))


def _read_through(listing: Listing, wanted: Window, calendar: Calendar) -> tuple[date, date]:
    """What the source has in this range is read; of what lies outside nothing is known."""
    return max(wanted.start, listing.looked.start), min(wanted.end, listing.looked.end, calendar.today)


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
        "destination_table": step.destination_table,
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
    return result
