"""Closing the books of a publication: what is derived of raw rows, proven, judged and told."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.engine.port import TablePart
from src.core.ledger.store import Unit
from src.core.ledger.tables import dq_results, orgs
from src.core.providers.slices import EMPTY
from src.core.step.books import telling
from src.core.step.books.completeness import SourceState
from src.core.step.books.deriving import Derivation
from src.core.step.books.gaps import written
from src.core.step.books.history import Figures, Key, Restatement, difference, restatements
from src.core.step.books.reasons import LoadedRows
from src.core.step.books.shares import Share, contested, gaps_of, shares
from src.core.step.books.telling import Before, By
from src.core.step.books.totals import require_equal, require_proven
from src.core.step.books.wording import Wording
from src.core.step.quality.judge import judge
from src.core.step.source.load_parts import Closed, LaidRates, Work
from src.core.step.source.rates import lay_rates


def judge_table(work: Work, table: TableSchema, part: Mapping[str, list[Any]]) -> None:
    """What is found is kept in the ledger at once: also when it keeps the publication from being one, or its worker dies."""
    context = work.context
    verdict = judge(work.publication, work.books.suite, table=table, part=part, now=work.by.at, until=work.loading.window.end)
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
    context.services.ledger.write(tell, work.tenant, told)
    verdict.require()


def close(work: Work, before: Before, held_before: dict[str, set[date]], causes_before: list[dict[str, Any]]) -> Closed:
    held = held_days(work)
    counting, contested_days, work = _counting(work)
    work = _with_loaded(work)
    read = contested_days.union(*held_before.values(), *held.values())
    work, touched = _days_made_anew(work, before, read)
    asking, books = work.asking, work.books
    rates = lay_rates(work, books.prices, touched) if books.prices and touched else None
    # asked before and after the days are made anew: rows may leave one invoice month for another, and both sums change
    months = asking.months_of(touched) if touched else set()
    made = {each.table: asking.derive(each, touched, counting, work.by) for each in books.derived if touched}
    months |= asking.months_of(touched) if any(each.changed for each in made.values()) else set()
    days = _figures(asking.days(touched) if touched else [], "usage_date", before.said_days, work.by)
    if touched:
        # whose rows count where exports are rivals, their shares say: a day may hold none of them
        counts = [held[reload.source] for reload in work.loading.reloads if reload.raw.counts]
        _require_derived(work, touched, counting, days, expected=any(counts) and all(share.account is None for share in counting))
    # how complete a month is goes by the moment too, so all are told again, unless nothing else is to change
    months |= set() if work.loading.reprice else {month for month, _ in before.said_months}
    by_month = _figures(asking.months(months) if months else [], "invoice_month", before.said_months, work.by)
    words = _wording(work, before, (read, touched - read), made, rates)
    restated = _restated(work, before, touched, (days, by_month), (causes_before, held, words))
    names = {str(day) for day in touched}
    # of a day that was made anew only what it says now: a figure that is gone from it would else be told on
    figures = {key: one for key, one in before.said_days.items() if key[0] not in names} | days
    sources, calendar = work.loading.sources.judged, work.loading.calendar
    known = telling.days_to_tell(figures, before, work.loading.window, calendar.today)
    doubts = asking.doubts(known)
    standing = telling.judged_days(touched if work.loading.reprice else known, figures, sources, calendar, doubts)
    changed = telling.changed_days(standing, before, work.by)
    _keep(work, changed, telling.month_rows(by_month, sources, calendar, work.by, doubts), months, restated)
    filled = sorted({date.fromisoformat(day) for day, _ in days})
    for each in books.derived if filled else ():
        judge_table(work, each.schema, {"usage_date": filled})
    tables = {each.table: made[each.table].rows if each.table in made else 0 for each in books.derived}
    told = {"unpriced": asking.unpriced(touched) if rates else (), "tells": asking.tells(touched)}
    return Closed(standing, tuple(changed), restated, tuple(sorted(touched)), tables, counting, rates, **told)


def _with_loaded(work: Work) -> Work:
    """With what is here of slices that their source has in another version by now, and this run does not read."""

    def one(state: SourceState) -> SourceState:
        changed = [one for one in state.pending if state.version(one.key) != EMPTY]
        found: dict[str, LoadedRows] = {}
        for raw in work.books.raw.values() if changed else ():
            for key, rows in work.asking.loaded(raw, state.source, [state.loaded[one.key] for one in changed]).items():
                found[key] = found[key] + rows if key in found else rows
        return replace(state, here=found)

    return replace(work, loading=replace(work.loading, sources=work.loading.sources.each(one)))


def _days_made_anew(work: Work, before: Before, read: set[date]) -> tuple[Work, set[date]]:
    """The days of which rows were read; those that are due; of a run that reads nothing those of its window that hold rows."""
    loading, told = work.loading, {row["usage_date"] for row in before.days}
    touched = read | work.asking.held(loading.window) if loading.reprice else read
    if work.books.asks_settled:
        settled = telling.settled_days(told | touched, loading.sources.judged, loading.calendar)
        work = replace(work, asking=replace(work.asking, given={**work.asking.given, "settled": settled}))
    return work, touched if loading.reprice else touched | work.asking.due(told)


def _require_derived(work: Work, touched: set[date], counting: Sequence[Share], days: Mapping[Key, Figures], *, expected: bool) -> None:
    """What was made of raw rows comes to what they do."""
    asking, books = work.asking, work.books
    if books.counted:
        # against raw rows that count, not those just written: days made anew hold rows of older loads too
        require_equal(asking.counted(touched, counting), telling.in_all(days, books.money), expected=expected)
    if books.proofs:
        require_proven(asking.proven(touched), expected=bool(asking.held(touched, beside=False)))


def _wording(
    work: Work, before: Before, days: tuple[set[date], set[date]], made: Mapping[str, Derivation], rates: LaidRates | None
) -> Wording:
    """`days` are those of which rows were read, and the others that are made anew."""
    priced = frozenset[date]().union(*(made[one.table].changed for one in work.books.derived if one.priced and one.table in made))
    changed_at = rates.changed_at if rates else None
    moved = frozenset(row["usage_date"] for row in before.days if changed_at and row["published_at"] < changed_at)
    return Wording(frozenset(days[0]), frozenset(days[1]), priced, moved, rivals=work.books.rivals)


def _figures(rows: Iterable[Mapping[str, Any]], period: str, before: Mapping[Key, Figures], by: By) -> dict[Key, Figures]:
    return telling.dated(telling.figures_by_period(rows, period, by), before)


def _counting(work: Work) -> tuple[tuple[Share, ...], set[date], Work]:
    """Which rows count where sources are rivals; where that has changed, every day of the account is made anew."""
    if not work.books.rivals:
        return (), set(), work
    sources = work.loading.sources
    accounts = work.asking.accounts()
    today = {state.source: state for state in sources.counting}
    # one that no longer counts has rows that still may; how far it reaches is remembered from when it was asked
    states = {source: today.get(source) or sources.known.state(source) for source, _ in accounts}
    reaches = {source: state.reach for source, state in states.items() if state.reach is not None}
    counting = shares(accounts, reaches, frozenset(today), sources.named)
    whole = {source: reach for source, reach in reaches.items() if source in today or not states[source].pending}
    gaps = gaps_of(accounts, whole, frozenset(today), sources.named)
    told = {account for source, account in accounts if source in today}
    alone = {source for source, account in accounts if account not in told}
    followed = {source for source, _ in accounts} - alone
    work = replace(work, loading=replace(work.loading, sources=sources.known_of(gaps, followed)))
    changed = contested(work.asking.told_shares(), counting)
    return counting, work.asking.account_days(changed) if changed else set(), work


def _restated(
    work: Work,
    before: Before,
    touched: set[date],
    now: tuple[Mapping[Key, Figures], Mapping[Key, Figures]],
    why: tuple[list[dict[str, Any]], Mapping[str, set[date]], Wording],
) -> tuple[Restatement, ...]:
    """Of the days and months that were told whole before. What brought a change is asked where there is one."""
    # only days made anew: the figures at hand are of those, and every other day would look as if it were gone
    whole_days = before.whole_days & {str(day) for day in touched}
    days = {key: one for key, one in before.said_days.items() if key[0] in whole_days}
    months = {key: one for key, one in before.said_months.items() if key[0] in before.whole_months}
    if not restatements("day", days, now[0], {}) and not restatements("invoice_month", months, now[1], {}):
        return ()
    before_now, held, words = why
    causes = (before_now, causes_of(work, held))
    return (
        *restatements("day", days, now[0], difference(*causes, "usage_date"), words),
        *restatements("invoice_month", months, now[1], difference(*causes, "invoice_month"), words),
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
    reloads = {reload.source: (reload.slices, reload.old) for reload in work.loading.reloads}
    for state in work.loading.sources.asked:
        own = {"provider": provider, "source": state.source}
        read, old = reloads.get(state.source, ((), ()))
        changes, firsts = known.changes(state, read, old, work.by.run_id, work.by.at)
        rows = [{"provider": provider, **row} for row in changes]
        if rows:
            work.publication.replace("x_source_slices", rows, TablePart(equal={**own, "slice": tuple(sorted(firsts))}))
        before = known.state(state.source)
        if (before.looks, before.begins, before.made, before.gaps) != (state.looks, state.begins, state.made, state.gaps):
            facts = {"source_begins": state.begins, "source_made": state.made, "source_gaps": written(state.gaps)}
            of_all = {**own, **facts, "pipeline_logging_id": work.by.run_id}
            looks = [{"first_slice": look.first, "last_slice": look.last, "looked_on": look.at} for look in state.looks.ranges]
            work.publication.replace("x_source_looks", [{**of_all, **look} for look in looks], TablePart(equal=own))


def held_days(work: Work) -> dict[str, set[date]]:
    """The days of use that rows of the slices read belong to, as they are now; by source."""
    return {reload.source: work.asking.touched(reload) for reload in work.loading.reloads}


def causes_of(work: Work, held: Mapping[str, set[date]]) -> list[dict[str, Any]]:
    """`held` are the days that the slices read hold rows of; where there are none nothing is asked."""
    return [row for reload in work.loading.reloads if held[reload.source] for row in work.asking.causes(reload)]


def tell(unit: Unit, tenant: Tenant, tell: Callable[[Unit], None]) -> None:
    # an off-boarding does not wait for a load, and who has the slug next is told nothing of it
    if orgs.lives(unit, tenant.org_slug, tenant.generation):
        tell(unit)
