"""A load as one script: in one publication the raw rows, what is derived from them, the judgement of their quality and the books."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from src.core.base.faults import BooksNotClosed
from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.engine.port import Fence, TablePart
from src.core.ledger.store import Unit
from src.core.ledger.tables import dq_results, orgs, tracking
from src.core.ledger.tables.tracking import TrackedDay
from src.core.step import manifests
from src.core.step.books import telling
from src.core.step.books.history import AS_TOLD, BY_RIVAL, Figures, Key, Restatement, difference, restatements
from src.core.step.books.questions import Asking, judged_part
from src.core.step.books.rules import INCOMING, Books
from src.core.step.books.shared_views import Views, publish_views
from src.core.step.books.shares import Share, contested, shares
from src.core.step.books.telling import Before, By
from src.core.step.books.totals import require_closed, require_equal
from src.core.step.context import StepContext
from src.core.step.quality.judge import judge
from src.core.step.source.fetching import MARKS, require_unchanged
from src.core.step.source.load_parts import Closed, Published, SourceLoad, Work, WrittenRows
from src.core.step.source.manifest import manifest

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
        work = Work(context, tenant, loading, publication, Asking(books, publication), by)
        before = Before(work.asking.told_days(), work.asking.told_months())
        # before anything is removed: a day that a row has left has to be made anew as well, or it would count there and where it is now
        touched, causes = _held(work), _causes(work)
        written = _write(work)
        _require_written(work, written)
        closed = _close(work, before, touched, causes)
        context.progress(doing="writing the manifest")
        left = manifest(work, written, closed)
        # in the same act as the rows: by it a run that is taken over knows that it has published, and adds nothing twice
        publication.append("x_load_manifests", [left])
        # the last question before the commit: a worker that lost the run, or was told to stop, publishes nothing
        context.still_wanted()
    # after the commit: what the ledger tells without opening the dataset may be late, and never ahead of it
    track(context, tenant, books.provider, closed.changed, by.at)
    return Published(left, closed)


def fence(context: StepContext, tenant: Tenant) -> Fence:
    if context.generation:
        return Fence(context.document_id, context.generation)
    # outside a worker, by the clock, but never below what was published: a clock may step back
    scope = context.document_id or context.step_id
    micros = int(context.services.clock.now().timestamp() * 1_000_000)
    return Fence(scope, max(micros, context.services.warehouse.last_generation(tenant, scope) + 1))


def _held(work: Work) -> dict[str, set[date]]:
    """The days of use that rows of the slices read belong to, as they are now; by source."""
    return {reload.source: work.asking.touched(reload) for reload in work.loading.reloads}


def _causes(work: Work) -> list[dict[str, Any]]:
    return [row for reload in work.loading.reloads for row in work.asking.causes(reload)]


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
        written.read.add(batch.name, work.asking.measured(raw, asked), raw.sums)
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
            _judge(work, raw.schema, part)


def _judge(work: Work, table: TableSchema, part: Mapping[str, list[Any]]) -> None:
    """What is found is kept in the ledger at once: also when it keeps the publication from being one, or its worker dies."""
    context = work.context
    verdict = judge(work.publication, work.books.suite, table=table, part=part, now=work.by.at)
    work.verdicts.append(verdict)
    told = partial(
        dq_results.record,
        run_id=context.run_id,
        generation=context.generation,
        org_slug=work.tenant.org_slug,
        step_id=context.step_id,
        suite=verdict.suite,
        table=verdict.table,
        findings=verdict.results,
        at=work.by.at,
    )
    context.services.ledger.write(_told, work.tenant, told)
    verdict.require()


def _close(work: Work, before: Before, held_before: dict[str, set[date]], causes_before: list[dict[str, Any]]) -> Closed:
    asking, books = work.asking, work.books
    held = _held(work)
    counting, contested_days = _counting(work)
    touched = contested_days.union(*held_before.values(), *held.values())
    # asked before and after the days are made anew: rows may leave one invoice month for another, and both sums change
    months = asking.months_of(touched) if touched else set()
    tables = {each.table: asking.derive(each, touched, counting, work.by) if touched else 0 for each in books.derived}
    months |= asking.months_of(touched) if touched else set()
    days = _figures(asking.days(touched) if touched else [], "usage_date", before.said_days, work.by)
    if touched:
        # whose rows count where exports are rivals, their shares say: a day may hold none of them
        counts = [held[reload.source] for reload in work.loading.reloads if reload.raw.counts]
        expected = any(counts) and all(share.account is None for share in counting)
        # against raw rows that count, not those just written: days made anew hold rows of older loads too
        require_equal(asking.counted(touched, counting), telling.in_all(days, books.money), expected=expected)
    months |= {month for month, _ in before.said_months}  # their figures stay, how complete they are may not
    by_month = _figures(asking.months(months) if months else [], "invoice_month", before.said_months, work.by)
    restated = _restated(work, before, touched, (days, by_month), causes_before)
    names = {str(day) for day in touched}
    # of a day that was made anew only what it says now: a figure that is gone from it would else be told on
    figures = {key: one for key, one in before.said_days.items() if key[0] not in names} | days
    standing = telling.judged_days(figures, before, work.loading.window, work.loading.sources.counting, work.loading.calendar)
    changed = telling.changed_days(standing, before, work.by)
    _keep(work, changed, telling.month_rows(by_month, work.loading.sources.counting, work.loading.calendar, work.by), months, restated)
    filled = sorted({date.fromisoformat(day) for day, _ in days})
    for each in books.derived if filled else ():
        _judge(work, each.schema, {"usage_date": filled})
    return Closed(standing, tuple(changed), restated, tuple(sorted(touched)), tables, counting)


def _figures(rows: Iterable[Mapping[str, Any]], period: str, before: Mapping[Key, Figures], by: By) -> dict[Key, Figures]:
    return telling.dated(telling.figures_by_period(rows, period, by), before)


def _counting(work: Work) -> tuple[tuple[Share, ...], set[date]]:
    """Which rows count where sources are rivals; where that has changed, every day of the account is made anew."""
    if not work.books.rivals:
        return (), set()
    sources = work.loading.sources
    accounts = work.asking.accounts()
    today = {state.source: state for state in sources.counting}
    # one that no longer counts has rows that still may; how far it reaches is remembered from when it was asked
    states = {source: today.get(source) or sources.known.state(source) for source, _ in accounts}
    reaches = {source: state.reach for source, state in states.items() if state.reach is not None}
    counting = shares(accounts, reaches, frozenset(today))
    changed = contested(work.asking.told_shares(), counting)
    return counting, work.asking.account_days(changed) if changed else set()


def _restated(
    work: Work,
    before: Before,
    touched: set[date],
    now: tuple[Mapping[Key, Figures], Mapping[Key, Figures]],
    causes_before: list[dict[str, Any]],
) -> tuple[Restatement, ...]:
    """Of the days and months that were told whole before. What brought a change is asked where there is one."""
    # only days made anew: the figures at hand are of those, and every other day would look as if it were gone
    whole_days = before.whole_days & {str(day) for day in touched}
    days = {key: one for key, one in before.said_days.items() if key[0] in whole_days}
    months = {key: one for key, one in before.said_months.items() if key[0] in before.whole_months}
    if not restatements("day", days, now[0], {}) and not restatements("invoice_month", months, now[1], {}):
        return ()
    causes, otherwise = (causes_before, _causes(work)), BY_RIVAL if work.books.rivals else AS_TOLD
    return (
        *restatements("day", days, now[0], difference(*causes, "usage_date"), otherwise),
        *restatements("invoice_month", months, now[1], difference(*causes, "invoice_month"), otherwise),
    )


def _keep(
    work: Work, days: Sequence[dict[str, Any]], months: Sequence[dict[str, Any]], of_months: set[str], restated: Sequence[Restatement]
) -> None:
    publication, provider = work.publication, work.books.provider
    changed = tuple(sorted({row["usage_date"] for row in days}))
    if changed:
        publication.replace("x_cost_daily", days, TablePart(equal={"provider": provider, "usage_date": changed}))
    # also a month that has no row any more: its old sum would stay
    if of_months:
        publication.replace("x_cost_monthly", months, TablePart(equal={"provider": provider, "invoice_month": tuple(sorted(of_months))}))
    if restated:
        publication.append("x_cost_history", [one.row(provider, work.by.run_id, work.by.at) for one in restated])
    _keep_slices(work)


def _keep_slices(work: Work) -> None:
    known, provider = work.loading.sources.known, work.books.provider
    read = {reload.source: reload.slices for reload in work.loading.reloads}
    for state in work.loading.sources.asked:
        own = {"provider": provider, "source": state.source}
        changes, firsts = known.changes(state, read.get(state.source, ()), work.by.run_id, work.by.at)
        rows = [{"provider": provider, **row} for row in changes]
        if rows:
            work.publication.replace("x_source_slices", rows, TablePart(equal={**own, "slice": tuple(sorted(firsts))}))
        if known.looks.get(state.source) != state.looks:
            looks = [
                {"first_slice": look.first, "last_slice": look.last, "looked_on": look.at, "pipeline_logging_id": work.by.run_id}
                for look in state.looks.ranges
            ]
            work.publication.replace("x_source_looks", [{**own, **look} for look in looks], TablePart(equal=own))


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
    context.services.ledger.write(_told, tenant, partial(tracking.record, days=days))


def _told(unit: Unit, tenant: Tenant, tell: Callable[[Unit], None]) -> None:
    # an off-boarding does not wait for a load, and who has the slug next is told nothing of it
    if orgs.lives(unit, tenant.org_slug, tenant.generation):
        tell(unit)
