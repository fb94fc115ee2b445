"""A load as one script: in one publication the raw rows, what is derived from them, the judgement of their quality and the books."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from src.core.base.faults import BooksNotClosed
from src.core.base.identity import Tenant
from src.core.engine.port import Fence, TablePart
from src.core.ledger.tables import tracking
from src.core.ledger.tables.tracking import TrackedDay
from src.core.step import manifests
from src.core.step.books.questions import Asking, judged_part
from src.core.step.books.rules import INCOMING, Books
from src.core.step.books.shared_views import Views, publish_views
from src.core.step.books.telling import Before, By
from src.core.step.books.totals import ROWS, require_closed
from src.core.step.context import StepContext
from src.core.step.counted import note_counted
from src.core.step.source.closing import causes_of, close, held_days, judge_table, tell
from src.core.step.source.fetching import MARKS, require_unchanged
from src.core.step.source.in_flight import BroughtFiles
from src.core.step.source.load_parts import Published, SourceLoad, Work, WrittenRows
from src.core.step.source.made_anew import settle
from src.core.step.source.manifest import manifest
from src.core.step.source.objects import objects_gone, objects_left, objects_read

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


def already_published(context: StepContext, tenant: Tenant) -> dict[str, Any] | None:
    """The manifest that this step of this run has committed, if its worker died before it could say so."""
    found = manifests.of_run(context.services, tenant, context.run_id)
    return next((manifest for manifest in reversed(found) if manifest["step_id"] == context.step_id), None)


def prepare(context: StepContext, tenant: Tenant, books: Books, views: Views) -> None:
    """Before anything is asked of them: a dataset may be of a release that had not all tables and columns."""
    for schema in (*books.schemas, *books.own.schemas):
        context.services.warehouse.ensure_table(tenant, schema)
    publish_views(context.services.warehouse, tenant, books.provider, views)


def publish(context: StepContext, tenant: Tenant, loading: SourceLoad) -> Published:
    """After `prepare`."""
    warehouse, books = context.services.warehouse, loading.books
    by = By(books.provider, context.run_id, context.services.clock.now())
    with warehouse.publication(tenant, context.run_id, fence(context, tenant)) as publication:
        work = Work(context, tenant, loading, publication, Asking(books, publication, loading.given), by)
        before = Before(work.asking.told_days(), work.asking.told_months())
        # before anything is removed: a day that a row has left has to be made anew as well, or it would count there and where it is now
        held = held_days(work)
        causes = causes_of(work, held)
        written = _write(work)
        _require_written(work, written)
        settled = settle(work)
        held["made before"] = set(settled.gone)
        written.objects += [*objects_gone(work.loading.reloads), *(objects_left(work) if settled.gone else ())]
        sources = work.loading.sources.settled(settled.filled, settled.doubts)
        work = replace(work, loading=replace(work.loading, sources=sources))
        closed = close(work, before, held, causes)
        context.progress(doing="writing the manifest")
        left = manifest(work, written, closed)
        # in the same act as the rows: by it a run that is taken over knows that it has published, and adds nothing twice
        publication.append("x_load_manifests", [left])
        if books.prices and closed.rates and closed.rates.there:
            # as late as may be: a rate that is laid while days are priced keeps them from being told by the book as it was
            publication.execute(books.prices.unchanged)
        # the last question before the commit: a worker that lost the run, or was told to stop, publishes nothing
        context.still_wanted()
    # after the commit: what the ledger tells without opening the dataset may be late, and never ahead of it
    track(context, tenant, books.provider, closed.changed, by.at)
    if not loading.reprice:  # it judges none but the days that it prices
        context.services.ledger.write(tell, tenant, lambda unit: note_counted(unit, tenant.org_slug, books.provider, loading.opened, by.at))
    return Published(left, closed)


def fence(context: StepContext, tenant: Tenant) -> Fence:
    if context.generation:
        return Fence(context.document_id, context.generation)
    # outside a worker, by the clock, but never below what was published: a clock may step back
    scope = context.document_id or context.step_id
    micros = int(context.services.clock.now().timestamp() * 1_000_000)
    return Fence(scope, max(micros, context.services.warehouse.last_generation(tenant, scope) + 1))


def _write(work: Work) -> WrittenRows:
    loading, publication, context = work.loading, work.publication, work.context
    written = WrittenRows(dict.fromkeys(loading.destinations, 0))
    by_source = {reload.source: reload for reload in loading.reloads}
    # all of a source's slices at once and first: its rows come in several batches, and a removal between would take what has just come
    for reload in loading.reloads:
        publication.remove(reload.raw.table, reload.part)
    for batch in loading.batches:
        reload = by_source[batch.name]
        raw, destination = reload.raw, loading.destinations[reload.raw.table]
        with batch.at_hand() as content:
            context.progress(rows=written.rows, rows_total=loading.rows, doing=f"writing {raw.table}")
            staged = publication.stage(INCOMING, content, destination.shape)
        # a source may leave it to its rows, or to us, which slice they are of
        written.absent.update({*staged.absent} - MARKS)
        written.unknown.update({*staged.unknown} - MARKS)
        asked = {**destination.params, **reload.asked(batch.slices), **batch.alone}
        # never by the file that is kept where it was counted before it was one: it would be compared with itself
        told = content.totals if isinstance(content, BroughtFiles) else None
        gave = told if told is not None else work.asking.measured(raw, asked)
        written.read.add(batch.name, gave, raw.sums)
        written.objects += objects_read(raw, batch.name, batch.slices, content, sum(row[ROWS] for row in gave))
        # a row of another slice is refused: it would stay when its own slice is written anew, and count twice
        query = destination.query or raw.write[bool(batch.alone)]
        written.tables[raw.table] += publication.insert(raw.table, query, asked, TablePart(equal=reload.equal(batch.slices)))
        context.still_wanted()
    require_unchanged(loading.batches)
    context.progress(rows=written.rows, rows_total=loading.rows)
    return written


def _require_written(work: Work, written: WrittenRows) -> None:
    """What stands in the tables of raw rows is what the sources gave, and fit to be booked."""
    reloads = work.loading.reloads
    require_closed(written.read, work.asking.written(reloads), {reload.source: reload.filled for reload in reloads})
    wrong = [f"{reload.source} {key}" for reload in reloads for key in work.asking.outside(reload)]
    if wrong:
        raise BooksNotClosed(f"{', '.join(wrong[:3])}: rows lie outside the days that the slice stands for; the old window stays")
    for raw in work.books.raw.values():
        part = judged_part(reloads, raw.schema)
        if part:
            judge_table(work, raw.schema, part)


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
    context.services.ledger.write(tell, tenant, partial(tracking.record, days=days))
