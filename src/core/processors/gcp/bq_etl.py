"""From a billing export, or any table of its dataset, to a table of the organisation: `gcp.bq_etl`."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self, TypeAlias

import structlog
from pydantic import Field, ValidationError, field_validator, model_validator

from src.core.base.documents import Document, read_document
from src.core.base.facts import TableFacts
from src.core.base.faults import Flaw, Misconfigured, Rejected
from src.core.base.identity import Tenant
from src.core.base.names import did_you_mean, identifier
from src.core.base.schema import Field as Column
from src.core.base.schema import TableSchema
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.base.window import Window
from src.core.engine.port import LOAD_DAY
from src.core.ledger.credentials import list_for
from src.core.providers.export import BillingExport, LoadDay, SourceChanged
from src.core.step import credentials
from src.core.step.books.closing import Closed, Part, Sources
from src.core.step.books.completeness import EMPTY, Calendar, SourceState
from src.core.step.books.coverage import Remembered
from src.core.step.books.rules import Books, Ledgers
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.credentials import OpenCredential
from src.core.step.extract import Wanted, gathered, inbox
from src.core.step.load import Destination, Loading, Published, WriteMode, already_published, publish, track
from src.core.step.variables import bind_sql

PROVIDER = "gcp"
LISTINGS = 3  # how often a listing is asked again because the source changed under it
ASKED = ("late_days", "reload")  # inputs of a run that stand above the step's config
OURS = ("source_table", "ingest_date", "usage_date")  # columns of the template that the source does not have


class EtlFacts(Document):
    """`configs/gcp/bq_etl/config.yml`."""

    write_mode: WriteMode
    rows_per_statement: int = Field(ge=1)
    templates: dict[str, TableFacts]


class EtlStep(Document):
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


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the source, and what it is known as in the organisation's dataset."""

    project: str
    dataset: str
    table: str

    @property
    def source(self) -> str:
        return f"{self.project}.{self.dataset}.{self.table}"


Exports: TypeAlias = Sequence[tuple[Table, BillingExport]]


class BigQueryETLEngine:
    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.template_dir = self.settings.configs_dir / "gcp" / "bq_etl"
        self.facts = read_document(self.template_dir / "config.yml", EtlFacts)
        self.templates = _templates(self.template_dir / "schema_template.json", self.facts)
        self.own = Ledgers.read(self.settings.configs_dir)
        configs = self.settings.configs_dir
        self.books = {
            path.parent.relative_to(configs).as_posix(): Books.read(configs, path.parent, self.templates, self.own)
            for path in sorted((configs / PROVIDER).rglob("books.yml"))
        }

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await blocking(self._load, step_config, context)

    def _load(self, step_config: StepConfig, context: StepContext) -> StepResult:
        tenant = _tenant(context)
        step = _step(step_config, context)
        before = already_published(context, tenant)
        if before is not None:
            context.log.info("publication.found", manifest=before["manifest_id"])
            if step.books:
                rows = context.services.warehouse.query(tenant, self.own.questions["said_days"], {"provider": PROVIDER}).to_pylist()
                track(context, tenant, PROVIDER, rows, context.services.clock.now())
            return _result(step, before)
        opened = credentials.opened(step_config, context, PROVIDER)
        with _exports(context, tenant, opened, step) as exports:
            published = self.load_from(step, context, exports)
        return _result(step, published.manifest, published.closed)

    def load_from(self, step: EtlStep, context: StepContext, exports: Exports) -> Published:
        """What a step of this config publishes from these tables."""
        for _ in range(1, LISTINGS):
            try:
                return self._listed_and_published(step, context, exports)
            except SourceChanged as changed:
                context.log.info("source.changed", detail=changed.detail)
        return self._listed_and_published(step, context, exports)

    def _listed_and_published(self, step: EtlStep, context: StepContext, exports: Exports) -> Published:
        tenant, books = _tenant(context), self._books(step)
        with inbox(context.services.warehouse.io_folder(tenant), context) as folder:
            loading = self._loading(step, context, exports, books, folder)
            schemas = (*self.own.schemas, *(books.schemas if books else ()))
            return publish(context, tenant, loading, schemas, books.views if books else {})

    def _loading(self, step: EtlStep, context: StepContext, exports: Exports, books: Books | None, folder: Path) -> Loading:
        window, calendar = _window(context), _calendar(context, books)
        remembered = self._remembered(context) if books else Remembered({})
        since = min(window.start, remembered.since or window.start)
        last = min(calendar.today, window.end + timedelta(_late_days(step, books)))
        context.progress(doing="listing load days")
        states = [
            SourceState(
                table.source,
                since,
                calendar.today,
                export.load_days(table.table, since, calendar.today),
                remembered.loaded(table.source),
            )
            for table, export in exports
        ]
        wanted = [
            Wanted(export, table.table, table.source, days)
            for (table, export), state in zip(exports, states, strict=True)
            if (days := state.changed(window.start, last, again=step.reload or books is None))
        ]
        rows_at_once = step.rows_per_statement or self.facts.rows_per_statement
        batches = gathered(wanted, folder, context, _tenant(context), rows_at_once)
        read = {one.source: one.days for one in wanted}
        asked = frozenset(state.source for state in states)
        others = _living(context) - asked if books else frozenset()
        return Loading(
            provider=PROVIDER,
            source=", ".join(table.source for table, _ in exports),
            destination=self._destination(step, context),
            window=window,
            parts=tuple(_part(one.source, one.days, remembered, calendar) for one in wanted),
            batches=tuple(batches),
            sources=Sources(
                tuple(state.with_loaded(read.get(state.source, ()), window.start, last) for state in states),
                tuple(remembered.state(source, calendar.today) for source in sorted(others)),
                remembered,
            ),
            calendar=calendar,
            books=books,
        )

    def _remembered(self, context: StepContext) -> Remembered:
        tenant, warehouse = _tenant(context), context.services.warehouse
        if "x_source_slices" not in warehouse.tables(tenant):
            return Remembered({})
        return Remembered.of(warehouse.query(tenant, self.own.questions["slices"], {"provider": PROVIDER}).to_pylist())

    def _books(self, step: EtlStep) -> Books | None:
        if step.books is None:
            return None
        if step.books not in self.books:
            raise Misconfigured(f"there is no configs/{step.books}/books.yml{did_you_mean(step.books, self.books)}")
        return self.books[step.books]

    def _destination(self, step: EtlStep, context: StepContext) -> Destination:
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


@contextmanager
def _exports(context: StepContext, tenant: Tenant, opened: OpenCredential, step: EtlStep) -> Iterator[Exports]:
    """The tables that count, each with its dataset opened by the organisation's own credential."""
    tables = _tables(opened, step) if step.source_tables else _counted(context, opened)
    with ExitStack() as stack:
        exports = {}
        for place in sorted({(table.project, table.dataset) for table in tables}):
            connection = {**opened.connection, "project": place[0], "dataset": place[1]}
            exports[place] = stack.enter_context(closing(context.services.sources.gcp_export(tenant, opened.secret, connection)))
        yield [(table, exports[table.project, table.dataset]) for table in tables]


def _tables(opened: OpenCredential, step: EtlStep) -> list[Table]:
    place = (str(opened.connection.get("project")), str(opened.connection.get("dataset")))
    return [Table(*place, name) for name in step.source_tables]


def _counted(context: StepContext, opened: OpenCredential) -> list[Table]:
    """Those of this credential, but for accounts whose bill another credential of the organisation reads better."""
    own = _counting(opened.connection)
    if not own:
        raise Rejected(
            f"the gcp credential {opened.name!r} names no billing export that counts; "
            "POST .../integrations/{org}/gcp/validate looks for its tables again"
        )
    living = _living(context)
    found = [table for table, _ in own if table.source in living]
    if not found:
        raise Rejected(
            f"every export of the gcp credential {opened.name!r} is of a billing account that another of its organisation's credentials "
            "reads already; run with that one, or delete it"
        )
    return sorted(found, key=lambda table: table.source)


def _counting(connection: Mapping[str, Any]) -> list[tuple[Table, Mapping[str, Any]]]:
    tables = connection.get("tables") or []
    return [(Table(one["project"], one["dataset"], one["table"]), one) for one in tables if one.get("counts")]


def _living(context: StepContext) -> frozenset[str]:
    """The sources that count, of all credentials of the organisation: of one account one, the detailed export before the standard."""
    stored = context.services.ledger.read(list_for, _tenant(context).org_slug)
    best: dict[str, tuple[tuple[bool, str], str]] = {}
    for record in stored:
        for table, facts in _counting(record.metadata or {}) if record.provider == PROVIDER else ():
            account = facts.get("billing_account") or table.source
            rank = (facts.get("kind") != "detailed", table.source)
            if account not in best or rank < best[account][0]:
                best[account] = (rank, table.source)
    return frozenset(source for _, source in best.values())


def _step(config: StepConfig, context: StepContext) -> EtlStep:
    try:
        asked = {name: context.inputs[name] for name in ASKED if context.inputs.get(name) is not None}
        return EtlStep.model_validate({**config, **asked})
    except ValidationError as wrong:
        flaws = [Flaw(error["msg"], ".".join(str(part) for part in error["loc"])) for error in wrong.errors(include_url=False)]
        raise Misconfigured(f"the config of step {context.step_id} is wrong", flaws=flaws) from None


def _part(source: str, days: tuple[LoadDay, ...], remembered: Remembered, calendar: Calendar) -> Part:
    before = remembered.state(source, calendar.today)
    known = frozenset(day for day, version in before.loaded.items() if version != EMPTY)
    return Part(
        source,
        days,
        restated=tuple(day.day for day in days if day.day in known),
        first_read=tuple(day.day for day in days if day.day not in known and (before.seen is None or day.day < before.seen)),
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
    return Calendar(context.services.clock.now().date(), books.late_days if books else 0, books.closing_day if books else 1)


def _late_days(step: EtlStep, books: Books | None) -> int:
    """How far a run reads, which is not how long rows are expected: that is the books' to say."""
    return step.late_days if step.late_days is not None else books.late_days if books else 0


def _templates(path: Path, facts: EtlFacts) -> dict[str, TableSchema]:
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


def _result(step: EtlStep, manifest: Mapping[str, Any], closed: Closed | None = None) -> StepResult:
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


def get_engine() -> BigQueryETLEngine:
    return BigQueryETLEngine()
