"""From a request to a run that waits in the queue, in one transaction of the ledger."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from src.core.base.events import Event
from src.core.base.faults import Conflict, Fault, Missing, QuotaExceeded, Throttled
from src.core.base.identity import Actor, Tenant
from src.core.base.redaction import redacted_text
from src.core.base.window import Window
from src.core.ledger.store import Unit
from src.core.ledger.tables import events, orgs, queue, quotas, runs, scheduled, slots, standing
from src.core.ledger.tables.orgs import Holder
from src.core.ledger.tables.queue import WaitsFor
from src.core.ledger.tables.quotas import QuotaRefused
from src.core.ledger.tables.runs import NewRun, RunRecord, TriggerType
from src.core.ledger.tables.standing import Standing
from src.core.pipeline.catalog import Catalog, CatalogEntry
from src.core.pipeline.preparation import prepare
from src.core.scheduler.inputs import CREDENTIAL, OnlyCredential, active_key, check_queueable, given, names_none, see_only
from src.core.scheduler.refusals import exceeded, refusal
from src.core.scheduler.unusual import Unusual
from src.core.step import credentials
from src.core.step.context import Services
from src.core.step.credentials import Needed

# each lost race means that somebody else's was accepted; a third in a row is a client that asks in a loop
RACES = 3


@dataclass(frozen=True, slots=True)
class Accepted:
    run: RunRecord
    fresh: bool
    """False for a run that was there already."""


@dataclass(frozen=True, slots=True)
class Reserved:
    day: date
    counts: bool
    waits_for: WaitsFor | None = None
    """`place` where none was taken."""


class _Raced(Exception):
    """The same work came in between; what this one reserved is rolled back."""


@dataclass(frozen=True)
class RunToAccept:
    services: Services
    tenant: Tenant
    entry: CatalogEntry
    run: NewRun
    queued: Mapping[str, Any]
    priority: int
    usual_window: Callable[[date], Window] | None
    credentials: tuple[Needed, ...]
    slot_id: str | None = None
    """Of a schedule's due time: it is the run's triggering, and stands in the ledger already."""
    unnamed: bool = False


def accept(
    services: Services,
    catalog: Catalog,
    *,
    tenant: Tenant,
    actor: Actor,
    entry: CatalogEntry,
    window: Window | None,
    inputs: Mapping[str, Any],
    trigger: TriggerType = "api",
    idempotency_key: str | None = None,
    usual_window: Callable[[date], Window] | None = None,
    priority: int = 0,
) -> Accepted:
    """The same work that is not over yet, or was asked for under the same key, is answered with its run. Waits on the ledger.

    `usual_window` is given by who named no window: the same request sent again another day is the same work.
    """

    def asked(inputs: Mapping[str, Any]) -> Accepted:
        request = to_accept(
            services,
            catalog,
            tenant=tenant,
            actor=actor,
            entry=entry,
            window=window,
            inputs=inputs,
            trigger=trigger,
            idempotency_key=idempotency_key,
            usual_window=usual_window,
            priority=priority,
        )
        return _accepted(services, replace(request, unnamed=names_none(request.entry, inputs)))

    try:
        return asked(inputs)
    except OnlyCredential as only:
        return asked({**inputs, CREDENTIAL: only.name})


def _accepted(services: Services, request: RunToAccept) -> Accepted:
    if services.ledger.traits.undoes:
        with suppress(Unusual):
            return services.ledger.write(_accept_as_usual, request)
    for _ in range(RACES):
        try:
            return services.ledger.write(_accept, request)
        except _Raced:
            continue
        except QuotaExceeded as refused:
            # in a unit of its own: the refusal has undone the one that it came from
            event = exceeded(request.tenant.org_slug, refused, services.clock.now())
            if event is not None:
                # that nobody is told of it must not change the answer
                with suppress(Fault):
                    _tell(services, event)
            raise
    raise _asked_again_and_again(request.entry)


def _tell(services: Services, event: Event) -> None:
    # who asks again and again at the end of a day's runs costs a look each time, and no place among the writers
    if not services.ledger.traits.undoes or not services.ledger.read(events.several, [event.event_id]):
        services.ledger.write(events.record, event)


def accept_within(unit: Unit, request: RunToAccept) -> Accepted:
    """In a unit of the caller's, which may catch a refusal: nothing was changed for it."""
    for _ in range(RACES):
        try:
            return _accept(unit, request)
        except _Raced:
            continue
    raise _asked_again_and_again(request.entry)


def to_accept(
    services: Services,
    catalog: Catalog,
    *,
    tenant: Tenant,
    actor: Actor,
    entry: CatalogEntry,
    window: Window | None,
    inputs: Mapping[str, Any],
    trigger: TriggerType = "api",
    idempotency_key: str | None = None,
    usual_window: Callable[[date], Window] | None = None,
    priority: int = 0,
    slot_id: str | None = None,
) -> RunToAccept:
    """Refused where the document does not take it; the ledger is not asked."""
    entry = catalog.get(entry.document_id)
    run_id = services.ids.new()
    prepared = prepare(services, entry, run_id=run_id, tenant=tenant, window=window, inputs=inputs)
    check_queueable(entry, prepared)
    run = NewRun(
        pipeline_logging_id=run_id,
        org_slug=tenant.org_slug,
        pipeline_id=entry.document.pipeline_id(tenant.org_slug),
        document=entry.document_id,
        provider=entry.document.provider,
        domain=entry.document.domain,
        trigger_type=trigger,
        # both come from the caller's headers and are kept: a key that was put there by mistake must not be
        user_id=actor.user_id and redacted_text(actor.user_id),
        request_id=actor.request_id and redacted_text(actor.request_id),
        parameters=prepared.parameters,
        window_start=window.start if window else None,
        window_end=window.end if window else None,
        status="QUEUED",
        accepted_at=services.clock.now(),
        idempotency_key=idempotency_key,
        active_key=active_key(tenant.org_slug, entry.document_id, window, given(prepared.inputs)),
    )
    return RunToAccept(services, tenant, entry, run, given(prepared.inputs), priority, usual_window, prepared.credentials, slot_id)


def _asked_again_and_again(entry: CatalogEntry) -> Conflict:
    return Conflict(f"the same run of {entry.document_id} is being asked for again and again; wait for one to be accepted")


def _accept_as_usual(unit: Unit, request: RunToAccept) -> Accepted:
    """In two round trips: a look at all that decides, and all that is written. What is not as usual is for `_accept` to ask and to tell."""
    slug, asked, now = request.tenant.org_slug, request.run, request.services.clock.now()
    orgs.alone(unit, slug)
    provider, name = request.credentials[0] if request.credentials else (None, None)
    keys = {"active_key": asked.active_key, "idempotency_key": asked.idempotency_key}
    found = standing.look(unit, slug, **keys, provider=provider, name=name, at=now)
    if found is None or not _usual(request, found):
        raise Unusual
    run = replace(asked, org_generation=found.generation)
    unusual = Unusual()
    quotas.reserve_surely(unit, slug, day=now.astimezone(ZoneInfo(found.timezone)).date(), at=now, otherwise=unusual)
    runs.accept_surely(unit, run, unusual)
    _enqueue(unit, request, run, None)
    return Accepted(runs.accepted(run), fresh=True)


def _usual(request: RunToAccept, found: Standing) -> bool:
    if request.run.trigger_type == "backfill" or len(request.credentials) > 1:
        return False
    theirs = request.tenant.generation in (None, found.generation)
    return theirs and not found.known and (found.credentialed or not request.credentials)


def _accept(unit: Unit, request: RunToAccept) -> Accepted:
    # the same work asked for twice at once is one run, even if that takes the last place
    orgs.alone(unit, request.tenant.org_slug)
    holder = _holder(unit, request.tenant)
    run = replace(request.run, org_generation=holder.generation)
    request = replace(request, run=run)
    if (known := _known(unit, request)) is not None:
        _see_queued(unit, request, known)
        return Accepted(known, fresh=False)
    _require_credentials(unit, request, holder)
    # counted before it is inserted: where nothing is undone, a break in between makes the plan refuse early, never late
    reserved = _reserve(unit, request, holder)
    run = replace(run, holds_place=False if reserved.waits_for == "place" else None)
    request = replace(request, run=run)
    if not _inserted(unit, request, reserved):
        # by hand, for not every ledger rolls back what the exception breaks off
        _give_back(unit, request, reserved)
        raise _Raced
    _enqueue(unit, request, run, reserved.waits_for)
    return Accepted(runs.accepted(run), fresh=True)


def _inserted(unit: Unit, request: RunToAccept, reserved: Reserved) -> bool:
    try:
        return runs.accept(unit, request.run)
    except Throttled:
        if not request.services.ledger.traits.undoes:
            # a ledger that is too busy for the run may be so for this too; a sweep mends it then
            with suppress(Throttled):
                _give_back(unit, request, reserved)
        raise


def _give_back(unit: Unit, request: RunToAccept, reserved: Reserved) -> None:
    slug, now = request.tenant.org_slug, request.services.clock.now()
    if reserved.counts:
        (quotas.uncount if reserved.waits_for == "place" else quotas.give_back)(unit, slug, day=reserved.day, at=now)


def _see_queued(unit: Unit, request: RunToAccept, known: RunRecord) -> None:
    """Where nothing is undone, its acceptance may have been broken off before the queue had it."""
    if known.status == "QUEUED" and queue.get(unit, known.pipeline_logging_id) is None:
        # read again, for it may have been claimed and ended since
        run = runs.get(unit, known.pipeline_logging_id)
        if run is not None and run.status == "QUEUED":
            # how it was admitted is not known any more: it begins when no more than the plan allows are taken
            _enqueue(unit, request, run, "place" if run.trigger_type == "backfill" else "turn")


def _known(unit: Unit, request: RunToAccept) -> RunRecord | None:
    run = request.run
    # the key first: it names its run also when that is over, which the active key no longer does
    if run.idempotency_key is not None and run.org_slug is not None:
        asked = runs.of_request(unit, run.org_slug, run.idempotency_key)
        # the key's own run goes before one of the same work: who sends it again asks for that one, though it may be over
        if asked is not None:
            if not _same_request(asked, request):
                see_only(unit, run.org_slug, run.provider if request.unnamed else None)
                raise Conflict(
                    f"the Idempotency-Key was used for other work, run {asked.pipeline_logging_id}; send another key",
                    pipeline_logging_id=asked.pipeline_logging_id,
                )
            return asked
    same = runs.working(unit, run.active_key) if run.active_key is not None else None
    # one that a holder before this one left is forgotten by who claims or sweeps it, and is nobody's answer until then
    return same if same is not None and same.org_generation in (None, run.org_generation) else None


def _same_request(asked: RunRecord, request: RunToAccept) -> bool:
    run, window = request.run, (request.run.window_start, request.run.window_end)
    # the usual window moves with the date: held against today's, a request repeated after midnight would be called other work
    if request.usual_window is not None:
        then = request.usual_window(asked.accepted_at.date())
        window = then.start, then.end
    return (asked.document, asked.parameters or {}, (asked.window_start, asked.window_end)) == (run.document, dict(run.parameters), window)


def _holder(unit: Unit, tenant: Tenant) -> Holder:
    """The organisation that was asked for, and no other that has its slug by now."""
    found = orgs.holder(unit, tenant.org_slug)
    if found is None:
        raise Missing(f"there is no organisation {tenant.org_slug!r}")
    if tenant.generation not in (None, found.generation):
        raise orgs.off_boarded(tenant.org_slug)
    return found


def _reserve(unit: Unit, request: RunToAccept, holder: Holder) -> Reserved:
    """The day is the organisation's own."""
    slug, now = request.tenant.org_slug, request.services.clock.now()
    zone = ZoneInfo(holder.timezone)
    day = now.astimezone(zone).date()
    if request.run.trigger_type == "backfill":
        # it waits in the queue without a place, which is for fresh work, and takes one when it is claimed
        counts = not _goes_on(unit, request, datetime.combine(day, time(), zone))
        refused = quotas.count(unit, slug, day=day, at=now) if counts else quotas.blocked(unit, slug, day=day)
        reserved = Reserved(day, counts, "place")
    else:
        refused, reserved = quotas.reserve(unit, slug, day=day, at=now), Reserved(day, counts=True)
        if refused is not None and refused.reason == "concurrent" and refused.used.windows:
            refused, reserved = quotas.reserve_turn(unit, slug, day=day, at=now), Reserved(day, counts=True, waits_for="turn")
    if refused is not None:
        raise _refusal(unit, request, refused, now)
    return reserved


def _goes_on(unit: Unit, request: RunToAccept, since: datetime) -> bool:
    """Whether it is a window of a backfill that has taken its run of the day."""
    if request.slot_id is None:
        return False
    goes_on = slots.counted_since(unit, request.slot_id, since)
    # before it takes a place: where nothing is undone, its slot says so whatever comes after
    slots.count(unit, request.slot_id, counted=not goes_on)
    return goes_on


def _refusal(unit: Unit, request: RunToAccept, refused: QuotaRefused, now: datetime) -> Fault:
    org = orgs.get(unit, request.tenant.org_slug)
    if org is None:
        return Missing(f"there is no organisation {request.tenant.org_slug!r}")
    return refusal(org, refused.used, refused.reason, request.services.ledger.plans, now)


def _require_credentials(unit: Unit, request: RunToAccept, holder: Holder) -> None:
    """A run without them would fail at its first step, and have cost one of the day's."""
    slug, now = request.tenant.org_slug, request.services.clock.now()
    for needed in request.credentials:
        if (lacking := credentials.lacking(unit, slug, needed, now)) is None:
            continue
        if request.unnamed and isinstance(lacking, Missing):
            see_only(unit, slug, request.run.provider)
        # the plan's word goes first: who may not run at all need store nothing
        used = quotas.usage(unit, slug, now.astimezone(ZoneInfo(holder.timezone)).date())
        reason = quotas.reached(used)
        raise _refusal(unit, request, QuotaRefused(reason, used), now) if reason else lacking


def _enqueue(unit: Unit, request: RunToAccept, run: NewRun | RunRecord, waits_for: WaitsFor | None) -> None:
    retries = request.services.settings.worker_takeovers
    if request.slot_id is None:
        scheduled.add(unit, _trigger(request, run, retries))
    else:
        slots.tie(unit, request.slot_id, run.pipeline_logging_id, "QUEUED", run.accepted_at)
    # last, for a worker may claim it as soon as it is there, and wants the run and the trigger with it
    queue.add_later(
        unit,
        queue.NewEntry(
            queue_id=run.pipeline_logging_id,
            org_slug=request.tenant.org_slug,
            pipeline_logging_id=run.pipeline_logging_id,
            scheduled_run_id=request.slot_id or run.pipeline_logging_id,
            pipeline_id=run.pipeline_id,
            document=run.document,
            queued_at=run.accepted_at,
            available_at=run.accepted_at,
            max_retries=retries,
            priority=request.priority,
            waits_for=waits_for,
            window_start=run.window_start,
            window_end=run.window_end,
            parameters=request.queued,
            user_id=run.user_id,
            request_id=run.request_id,
        ),
    )


def _trigger(request: RunToAccept, run: NewRun | RunRecord, retries: int) -> scheduled.NewTrigger:
    # a run is triggered once and queued once, so its id serves for all three
    return scheduled.NewTrigger(
        scheduled_run_id=run.pipeline_logging_id,
        org_slug=request.tenant.org_slug,
        pipeline_id=run.pipeline_id,
        document=run.document,
        trigger_type=run.trigger_type,
        scheduled_time=run.accepted_at,
        created_at=run.accepted_at,
        queued_at=run.accepted_at,
        max_retries=retries,
        pipeline_logging_id=run.pipeline_logging_id,
        priority=request.priority,
        window_start=run.window_start,
        window_end=run.window_end,
        parameters=run.parameters or {},
    )
