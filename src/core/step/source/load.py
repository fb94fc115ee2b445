"""The load engine: one publication that holds the raw rows, what is derived from them, the judgement of their quality and the books."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.base.window import Window
from src.core.engine.port import LOAD_DAY, WHOLE_TABLE, Fence, Publication, Scalar, Staged, TablePart
from src.core.ledger import dq, tracking
from src.core.ledger.tracking import TrackedDay
from src.core.step import manifests
from src.core.step.books.closing import Closed, Closing, Reload, Sources
from src.core.step.books.completeness import Calendar
from src.core.step.books.rules import Books
from src.core.step.books.totals import Totals, require_closed
from src.core.step.context import StepContext
from src.core.step.quality.judge import Verdict, judge
from src.core.step.source.staging import Batch, require_unchanged

INCOMING = "incoming"
SHOWN_VERSIONS = 400
TRACKED = (
    "usage_date",
    "currency",
    "completeness",
    "completeness_reason",
    "billed_cost",
    "credits",
    "net_cost",
    "source_as_of",
    "pipeline_logging_id",
)
Rows: TypeAlias = Mapping[str, list[str] | list[date]]
WriteMode = Literal["append", "overwrite", "truncate"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where rows go and how: `query` reads the staged source and gives the table's columns by name."""

    schema: TableSchema
    mode: WriteMode
    query: str
    params: Mapping[str, Scalar]
    shape: TableSchema | None

    @property
    def table(self) -> str:
        return self.schema.name


@dataclass(frozen=True, slots=True)
class Loading:
    """What one step publishes."""

    provider: str
    source: str
    destination: Destination
    window: Window
    reloads: tuple[Reload, ...]
    batches: tuple[Batch, ...]
    sources: Sources
    calendar: Calendar
    books: Books | None = None

    @property
    def rows(self) -> int:
        return sum(batch.rows for batch in self.batches)


@dataclass(slots=True)
class Published:
    manifest: dict[str, Any]
    closed: Closed | None = None


@dataclass(slots=True)
class Written:
    rows: int = 0
    read: Totals = field(default_factory=Totals)
    rows_read: int = 0
    absent: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


def already_published(context: StepContext, tenant: Tenant) -> dict[str, Any] | None:
    """The manifest that this step of this run has committed, if its worker died before it could say so."""
    found = manifests.of_run(context.services, tenant, context.run_id)
    return next((manifest for manifest in reversed(found) if manifest["step_id"] == context.step_id), None)


def publish(context: StepContext, tenant: Tenant, loading: Loading, schemas: Sequence[TableSchema], views: Mapping[str, str]) -> Published:
    warehouse, now = context.services.warehouse, context.services.clock.now()
    for schema in (loading.destination.schema, *schemas):
        warehouse.ensure_table(tenant, schema)
    for name, text in views.items():
        warehouse.ensure_view(tenant, name, text)
    with warehouse.publication(tenant, context.run_id, _fence(context, tenant)) as publication:
        closing = _begin(publication, loading, context, now)
        written = _write(publication, loading, context)
        judging = Judging(context, tenant, publication, now)
        closed = _close(closing, loading, written, judging) if closing else None
        context.progress(doing="writing the manifest")
        manifest = _manifest(context, loading, written, closed=closed, judged=judging.verdicts, now=now)
        publication.append("x_load_manifests", [manifest])
        context.still_wanted()
    if closed:
        track(context, tenant, loading.provider, closed.changed, now)
    return Published(manifest, closed)


def _fence(context: StepContext, tenant: Tenant) -> Fence:
    if context.generation:
        return Fence(context.document_id, context.generation)
    # outside a worker, by the clock, but never below what was published: a clock may step back
    scope = context.document_id or context.step_id
    micros = int(context.services.clock.now().timestamp() * 1_000_000)
    return Fence(scope, max(micros, context.services.warehouse.last_generation(tenant, scope) + 1))


@dataclass(slots=True)
class Judging:
    """The suite asked of what this publication has written."""

    context: StepContext
    tenant: Tenant
    publication: Publication
    at: datetime
    verdicts: list[Verdict] = field(default_factory=list)

    def require(self, books: Books, table: TableSchema, part: Rows) -> None:
        """What is found is kept in the ledger at once: also when it keeps the publication from being one, or its worker dies."""
        verdict = judge(self.publication, books.suite, table=table, part=part, now=self.at)
        self.verdicts.append(verdict)
        self.context.services.ledger.write(
            dq.record,
            run_id=self.context.run_id,
            generation=self.context.generation,
            org_slug=self.tenant.org_slug,
            step_id=self.context.step_id,
            suite=verdict.suite,
            table=verdict.table,
            findings=verdict.results,
            at=self.at,
        )
        verdict.require()


def _begin(publication: Publication, loading: Loading, context: StepContext, now: datetime) -> Closing | None:
    if loading.books is None:
        return None
    closing = Closing(loading.books, publication, context.run_id, now, loading.reloads, loading.sources)
    closing.begin()
    return closing


def _write(publication: Publication, loading: Loading, context: StepContext) -> Written:
    destination, written = loading.destination, Written()
    _clear(publication, loading)
    for batch in loading.batches:
        with batch.at_hand() as content:
            context.progress(rows=written.rows, rows_total=loading.rows, doing=f"writing {destination.table}")
            _note_columns(written, publication.stage(INCOMING, content, destination.shape))
        days = [one.day for one in batch.slices]
        asked = {**destination.params, "source_table": batch.name, "days": days, "first": days[0], "last": days[-1]}
        if loading.books:
            written.read.add(batch.name, publication.query(loading.books.questions["totals_read"], asked).to_pylist())
        part = TablePart(equal={"source_table": batch.name, "ingest_date": tuple(days)}) if destination.mode == "overwrite" else WHOLE_TABLE
        written.rows += publication.insert(destination.table, destination.query, asked, part)
        written.rows_read += batch.rows
        context.still_wanted()
    require_unchanged(loading.batches)
    context.progress(rows=written.rows, rows_total=loading.rows)
    return written


def _clear(publication: Publication, loading: Loading) -> None:
    """What is written anew goes first: whole load days, or the whole table."""
    destination = loading.destination
    if destination.mode == "truncate":
        publication.remove(destination.table)
    elif destination.mode == "overwrite":
        for reload in loading.reloads:
            days = tuple(one.day for one in reload.slices)
            publication.remove(
                destination.table, TablePart("ingest_date", min(days), max(days), {"source_table": reload.source, "ingest_date": days})
            )


def _note_columns(written: Written, staged: Staged) -> None:
    # a source may leave it to its rows on which day they were written
    written.absent.update({*staged.absent} - {LOAD_DAY})
    written.unknown.update({*staged.unknown} - {LOAD_DAY})


def _close(closing: Closing, loading: Loading, written: Written, judging: Judging) -> Closed:
    books = closing.books
    listed = {reload.source: sum(one.rows for one in reload.slices) for reload in loading.reloads}
    require_closed(written.read, closing.written(), listed)
    if loading.reloads:
        days = sorted({one.day for reload in loading.reloads for one in reload.slices})
        judging.require(books, books.raw, {"source_table": [reload.source for reload in loading.reloads], "ingest_date": days})
    closed = closing.finish(loading.window, loading.calendar)
    if closed.touched:
        daily = next(schema for schema in books.schemas if schema.name == books.daily)
        judging.require(books, daily, {"usage_date": list(closed.touched)})
    return closed


def _manifest(
    context: StepContext, loading: Loading, written: Written, *, closed: Closed | None, judged: Sequence[Verdict], now: datetime
) -> dict[str, Any]:
    tables = {loading.destination.table: written.rows}
    if closed and loading.books:
        tables[loading.books.daily] = closed.daily_rows
    return {
        "manifest_id": context.services.ids.new(),
        "pipeline_logging_id": context.run_id,
        "step_id": context.step_id,
        "document": context.document_id,
        "provider": loading.provider,
        "generation": context.generation,
        "window_start": loading.window.start,
        "window_end": loading.window.end,
        "source": loading.source,
        "source_version": _versions(loading),
        "schema_fingerprint": _fingerprint(loading.destination, written),
        "columns_unknown": sorted(written.unknown),
        "columns_absent": sorted(written.absent),
        "rows_read": written.rows_read,
        "rows_written": written.rows,
        "bytes_read": sum(one.bytes for batch in loading.batches for one in batch.slices),
        "totals": written.read.shown(),
        "tables": tables,
        "shares": [share.shown for share in closed.shares] if closed else None,
        "unread": _unread(loading),
        "quality": _summary(judged),
        "published_at": now,
    }


def _summary(judged: Sequence[Verdict]) -> dict[str, int] | None:
    counts: Counter[str] = Counter()
    for verdict in judged:
        counts.update(verdict.summary)
    return dict(counts) or None


def _versions(loading: Loading) -> list[dict[str, Any]]:
    """Of each load day that was read; of very many the first and the last, and one fingerprint of all."""
    shown = []
    for reload in loading.reloads:
        days = [{"load_day": str(one.day), "version": one.version, "rows": one.rows} for one in reload.slices]
        every = hashlib.sha256(json.dumps(days).encode()).hexdigest()
        kept = days if len(days) <= SHOWN_VERSIONS else [days[0], days[-1]]
        shown.append({"source_table": reload.source, "load_days": len(days), "fingerprint": every, "days": kept})
    return shown


def _unread(loading: Loading) -> list[dict[str, Any]]:
    """What the source has by now and this publication left as it was."""
    unread = []
    for state in loading.sources.asked:
        days = state.changed(loading.window.start, loading.calendar.today)
        gone = state.gone()
        if days:
            unread.append({"source_table": state.source, "from": str(days[0].day), "to": str(days[-1].day), "load_days": len(days)})
        if gone:
            unread.append({"source_table": state.source, "no_longer_listed": [str(day) for day in gone[:SHOWN_VERSIONS]]})
    return unread


def _fingerprint(destination: Destination, written: Written) -> str:
    columns = {*destination.schema.columns, *written.unknown} - written.absent
    return hashlib.sha256("\n".join(sorted(columns)).encode()).hexdigest()[:16]


def track(context: StepContext, tenant: Tenant, provider: str, rows: Iterable[Mapping[str, Any]], now: datetime) -> None:
    """Rows as `x_cost_daily` has them."""
    days = [
        TrackedDay(
            org_slug=tenant.org_slug,
            provider=provider,
            **{name: row[name] for name in TRACKED},
            row_count=row["row_count"] or 0,
            generation=context.generation,
            updated_at=now,
        )
        for row in rows
    ]
    context.services.ledger.write(tracking.record, days)
