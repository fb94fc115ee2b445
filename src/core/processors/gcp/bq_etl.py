"""From a billing export, or any table of its dataset, to a table of the organisation: `gcp.bq_etl`."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import structlog
from pydantic import Field, ValidationError, field_validator

from src.core.base.documents import Document, read_document
from src.core.base.facts import TableFacts
from src.core.base.faults import Conflict, Flaw, Misconfigured, Rejected
from src.core.base.identity import Tenant
from src.core.base.names import did_you_mean, identifier
from src.core.base.schema import Field as Column
from src.core.base.schema import Partition, TableSchema
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.base.window import Window
from src.core.providers.export import BillingExport, LoadDay
from src.core.step import credentials
from src.core.step.books.closing import Closed, Part
from src.core.step.books.completeness import Calendar, SourceState
from src.core.step.books.rules import Books, Ledgers
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.credentials import OpenCredential
from src.core.step.extract import Wanted, fetched, inbox
from src.core.step.load import Destination, Loading, Published, WriteMode, already_published, publish
from src.core.step.variables import bind_sql

PROVIDER = "gcp"
LISTINGS = 3  # how often a listing is asked again because the source changed under it
ASKED = ("late_days", "reload")  # inputs of a run that stand above the step's config
OURS = ("source_table", "ingest_date")  # columns of the template that the source does not have


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
        return f"{self.dataset}.{self.table}"


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
            path.parent.relative_to(configs).as_posix(): Books.read(configs, path.parent, self.templates)
            for path in sorted((configs / PROVIDER).rglob("books.yml"))
        }

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await blocking(self._load, step_config, context)

    def _load(self, step_config: StepConfig, context: StepContext) -> StepResult:
        tenant = _tenant(context)
        step = _step(step_config, context)
        before = already_published(context, tenant, self.own.questions["published"])
        if before is not None:
            context.log.info("publication.found", manifest=before["manifest_id"])
            return _result(step, before)
        opened = credentials.opened(step_config, context, PROVIDER)
        with _exports(context, tenant, opened, step) as exports:
            published = self.load_from(step, context, exports)
        return _result(step, published.manifest, published.closed)

    def load_from(self, step: EtlStep, context: StepContext, exports: Exports) -> Published:
        """What a step of this config publishes from these tables."""
        tenant, books = _tenant(context), self._books(step)
        with inbox(context.services.warehouse.io_folder(tenant), context) as folder:
            loading = self._loading(step, context, exports, books, folder)
            schemas = (*self.own.schemas, *(books.schemas if books else ()))
            return publish(context, tenant, loading, schemas, books.views if books else {})

    def _loading(self, step: EtlStep, context: StepContext, exports: Exports, books: Books | None, folder: Path) -> Loading:
        window, calendar = _window(context), _calendar(context, step, books)
        for listing in range(1, LISTINGS + 1):
            states, wanted = self._listed(step, context, exports, window=window, calendar=calendar, books=books)
            try:
                batches = fetched(wanted, folder, context, step.rows_per_statement or self.facts.rows_per_statement)
                break
            except Conflict as changed:
                if listing == LISTINGS:
                    raise
                context.log.info("source.changed", detail=changed.detail)
        read = {one.source: one.days for one in wanted}
        return Loading(
            provider=PROVIDER,
            source=", ".join(f"{table.project}.{table.source}" for table, _ in exports),
            destination=self._destination(step, context),
            window=window,
            parts=tuple(Part(one.source, one.days, _known(states[one.source], one.days)) for one in wanted),
            batches=tuple(batches),
            states=tuple(state.with_loaded(read.get(name, ())) for name, state in states.items()),
            calendar=calendar,
            books=books,
        )

    def _listed(
        self, step: EtlStep, context: StepContext, exports: Exports, *, window: Window, calendar: Calendar, books: Books | None
    ) -> tuple[dict[str, SourceState], list[Wanted]]:
        """What each table lists from the window on, what of it is loaded, and what is to be read."""
        context.progress(doing="listing load days")
        loaded = self._loaded(context) if books else {}
        last = min(calendar.today, window.end + timedelta(calendar.late_days))
        states: dict[str, SourceState] = {}
        wanted: list[Wanted] = []
        for table, export in exports:
            known = loaded.get(table.source, {})
            since = min([window.start, *known])
            state = SourceState(table.source, since, export.load_days(table.table, since, calendar.today), known)
            states[table.source] = state
            days = state.changed(window.start, last, again=step.reload or books is None)
            if days:
                wanted.append(Wanted(export, table.table, table.source, days))
        return states, wanted

    def _loaded(self, context: StepContext) -> dict[str, dict[date, str]]:
        """By source and load day, the version that is in the dataset."""
        tenant, warehouse = _tenant(context), context.services.warehouse
        loaded: dict[str, dict[date, str]] = {}
        if "x_source_slices" in warehouse.tables(tenant):
            for row in warehouse.query(tenant, self.own.questions["slices"], {"provider": PROVIDER}).to_pylist():
                loaded.setdefault(row["source"], {})[row["slice"]] = row["version"]
        return loaded

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
        shape = TableSchema(template.name, tuple(column for column in template.fields if column.name not in OURS))
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
    tables = _tables(opened, step)
    with ExitStack() as stack:
        exports = {}
        for place in sorted({(table.project, table.dataset) for table in tables}):
            connection = {**opened.connection, "project": place[0], "dataset": place[1]}
            exports[place] = stack.enter_context(closing(context.services.sources.gcp_export(tenant, opened.secret, connection)))
        yield [(table, exports[table.project, table.dataset]) for table in tables]


def _tables(opened: OpenCredential, step: EtlStep) -> list[Table]:
    known = opened.connection.get("tables") or []
    if step.source_tables:
        place = (str(opened.connection.get("project")), str(opened.connection.get("dataset")))
        return [Table(*place, name) for name in step.source_tables]
    counted = [Table(one["project"], one["dataset"], one["table"]) for one in known if one.get("counts")]
    if not counted:
        raise Rejected(
            f"the gcp credential {opened.name!r} names no billing export that counts; "
            "POST .../integrations/{org}/gcp/validate looks for its tables again"
        )
    return sorted(counted, key=lambda table: table.source)


def _step(config: StepConfig, context: StepContext) -> EtlStep:
    try:
        asked = {name: context.inputs[name] for name in ASKED if context.inputs.get(name) is not None}
        return EtlStep.model_validate({**config, **asked})
    except ValidationError as wrong:
        flaws = [Flaw(error["msg"], ".".join(str(part) for part in error["loc"])) for error in wrong.errors(include_url=False)]
        raise Misconfigured(f"the config of step {context.step_id} is wrong", flaws=flaws) from None


def _known(state: SourceState, days: tuple[LoadDay, ...]) -> tuple[date, ...]:
    return tuple(day.day for day in days if day.day in state.loaded)


def _tenant(context: StepContext) -> Tenant:
    if context.tenant is None:
        raise Misconfigured(f"step {context.step_id} loads an organisation's data and was run without one")
    return context.tenant


def _window(context: StepContext) -> Window:
    start, end = context.variables.get("start_date"), context.variables.get("end_date")
    if not isinstance(start, date) or not isinstance(end, date):
        raise Rejected("this pipeline loads the days of a window: give `date`, or `start_date` and `end_date`")
    return Window(start, end)


def _calendar(context: StepContext, step: EtlStep, books: Books | None) -> Calendar:
    late_days = step.late_days if step.late_days is not None else books.late_days if books else 0
    return Calendar(context.services.clock.now().date(), late_days, books.closing_day if books else 1)


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
    return {
        name: TableSchema(
            name,
            tuple(Column.parse(column, str(path)) for column in columns),
            facts.templates[name].description,
            _partition(facts.templates[name]),
            facts.templates[name].cluster,
        )
        for name, columns in raw.items()
    }


def _partition(facts: TableFacts) -> Partition | None:
    return Partition(facts.partition.field, facts.partition.granularity) if facts.partition else None


def _result(step: EtlStep, manifest: Mapping[str, Any], closed: Closed | None = None) -> StepResult:
    result: StepResult = {
        "status": "SUCCESS",
        "rows_processed": manifest["rows_written"],
        "destination_table": step.destination_table,
        "manifest_id": manifest["manifest_id"],
        "tables": _plain(manifest["tables"]),
        "totals": _plain(manifest["totals"]),
        "unread": _plain(manifest["unread"]),
        "columns_unknown": _plain(manifest["columns_unknown"]),
        "quality": _plain(manifest["quality"]),
    }
    if closed:
        counts = Counter(told.standing.completeness for told in {one.day: one for one in closed.days}.values())
        result |= {"completeness": dict(counts), "restated": len(closed.restated), "days_touched": len(closed.touched)}
    return result


def _plain(value: object) -> object:
    """JSON columns are read back as their text."""
    return json.loads(value) if isinstance(value, str) else value


def get_engine() -> BigQueryETLEngine:
    return BigQueryETLEngine()
