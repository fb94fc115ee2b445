"""How a worker comes by a run. Beside authentication, the one place where a tenant is minted."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from src.core.base.identity import Actor, Tenant
from src.core.base.names import OrgSlug
from src.core.base.window import Window
from src.core.ledger.store import Unit
from src.core.ledger.tables import orgs, queue, quotas, retrying, runs, scheduled
from src.core.ledger.tables.queue import Hold, QueueEntry
from src.core.ledger.tables.runs import RunRecord, Taken, TriggerType
from src.core.scheduler.settling import tell_again
from src.core.scheduler.unusual import Unusual
from src.core.step.context import Services

log = structlog.get_logger("worker")

# so long it is left to others, for this process has not let go of an earlier attempt of it
LATER = timedelta(seconds=5)
# the two moments come from two machines; more than this apart, their clocks are to be mended
CLOCKS_APART = timedelta(minutes=1)
# no moment is known at which a bill is paid
BLOCKED_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Claim:
    entry: QueueEntry
    hold: Hold
    tenant: Tenant
    attempt: int
    trigger: TriggerType
    began_at: datetime
    """When the run began, by its first attempt."""

    @property
    def run_id(self) -> str:
        return self.entry.pipeline_logging_id

    @property
    def window(self) -> Window | None:
        start, end = self.entry.window_start, self.entry.window_end
        return Window(start, end) if start and end else None

    @property
    def actor(self) -> Actor:
        """The system works, for whom it was asked."""
        return Actor("system", self.tenant.org_slug, self.entry.user_id, request_id=self.entry.request_id)


def outlived(unit: Unit, run: RunRecord | Taken) -> bool:
    """Whether the organisation it was accepted for has been erased: where nothing is undone, an acceptance may fall between the statements
    of an off-boarding, and the slug may have another owner by now."""
    org = orgs.get(unit, run.org_slug or "")
    if org is None or run.org_generation is not None:
        return org is None or org.generation != run.org_generation
    # of a release that wrote no generation
    return org.created_at > run.accepted_at + CLOCKS_APART


def tenant_of_schedule(services: Services, slug: str, generation: int) -> Tenant:
    """Whose run a due schedule is."""
    return Tenant(OrgSlug(slug), services.settings.environment, generation)


def lease_end(services: Services, at: datetime) -> datetime:
    return at + timedelta(seconds=services.settings.worker_lease_seconds)


def next_claim(services: Services, owner: str, but: Collection[str] = ()) -> Claim | None:
    """Of a run that is not among `but`."""
    kept = frozenset(but)
    while services.ledger.traits.undoes:
        try:
            chosen = services.ledger.write(_claim_as_usual, services, owner, kept)
        except Unusual:
            break
        if chosen is None:
            return None
        entry, hold, taken = chosen
        run = taken()
        if run is not None:
            return _claimed(services, entry, hold, run, run.org_generation or services.ledger.glance(_generation, entry.org_slug))
        # the entry is in this worker's hands, and what is wrong with its run nobody else's to see
        begun = services.ledger.write(_begun, services, entry, hold, services.clock.now())
        if begun is not None:
            return begun
    return services.ledger.write(_claim, services, owner, kept)


def _generation(unit: Unit, slug: str) -> int | None:
    """Of a run whose row was written by an older release and says none: it has not outlived its organisation, so whoever has the slug."""
    holder = orgs.holder(unit, slug)
    return None if holder is None else holder.generation


def _taken_again(unit: Unit, run_id: str, at: datetime) -> Taken | None:
    """It was put into the queue again, and who did so died before saying it of the run."""
    run = runs.get(unit, run_id)
    if run is None or run.status != "RUNNING":
        return None
    # of this attempt only: another worker may have begun the next since it was read
    runs.put_back(unit, run_id, run.attempt)
    return runs.take(unit, run_id, at)


def _place(unit: Unit, entry: QueueEntry, hold: Hold, at: datetime) -> datetime | None:
    """One of the plan's for a run that waits without one; when it is to be tried again where there is none."""
    holder = orgs.holder(unit, entry.org_slug)
    if holder is None:
        # with the organisation its run is gone, as is seen next
        return None
    refused = quotas.take_place(unit, entry.org_slug, day=at.astimezone(ZoneInfo(holder.timezone)).date(), at=at)
    if refused is not None:
        return at + (BLOCKED_AGAIN if refused.reason == "blocked" else LATER)
    # the run's word goes first: where nothing is undone, a break between leaves a place too many taken, which a sweep frees
    if not runs.place(unit, entry.pipeline_logging_id):
        quotas.release(unit, entry.org_slug, at)
    retrying.placed(unit, hold)
    return None


def _claim_as_usual(
    unit: Unit, services: Services, owner: str, but: Collection[str]
) -> tuple[QueueEntry, Hold, Callable[[], Taken | None]] | None:
    """In two round trips: the choice, and all that is written.

    A ledger whose machine stops at this moment may forget it. The run waits then as before, its worker is told so at the next beat, and
    what that one wrote for it since is not there either.
    """
    at = services.clock.now()
    unit.forgettable()
    entry = queue.claim_surely(unit, owner, at, lease_end(services, at), Unusual())
    if entry is None:
        return None
    if entry.pipeline_logging_id in but or entry.waits_for is not None:
        raise Unusual
    scheduled.start(unit, entry.pipeline_logging_id, at)
    return entry, Hold(entry.queue_id, owner, entry.lease_generation), runs.take_soon(unit, entry.pipeline_logging_id, at)


def _claim(unit: Unit, services: Services, owner: str, but: Collection[str]) -> Claim | None:
    at = services.clock.now()
    while entry := queue.claim(unit, owner, at, lease_end(services, at)):
        hold = Hold(entry.queue_id, owner, entry.lease_generation)
        # this process has not let go of the run yet: another may take it, or this one later
        if entry.pipeline_logging_id in but:
            queue.hand_back(unit, hold, at + LATER)
            continue
        again = None if entry.waits_for != "place" or entry.cancel_requested_at else _place(unit, entry, hold, at)
        if again is not None:
            queue.hand_back(unit, hold, again)
            continue
        claim = _begun(unit, services, entry, hold, at)
        if claim is not None:
            return claim
    return None


def _begun(unit: Unit, services: Services, entry: QueueEntry, hold: Hold, at: datetime) -> Claim | None:
    """None, and no entry any more, where there is no run to begin."""
    run = runs.take(unit, entry.pipeline_logging_id, at) or _taken_again(unit, entry.pipeline_logging_id, at)
    if run is None:
        # the run is over or gone, and so is the reason for its entry
        tell_again(unit, entry.pipeline_logging_id)
        queue.complete(unit, hold)
        return None
    # an acceptance that is a transaction falls before or after an off-boarding, never between its statements
    if not services.ledger.traits.undoes and outlived(unit, run):
        log.warning("run.outlived", run_id=entry.pipeline_logging_id, org=run.org_slug)
        runs.forget(unit, entry.pipeline_logging_id)
        queue.complete(unit, hold)
        return None
    scheduled.start(unit, entry.pipeline_logging_id, at)
    return _claimed(services, entry, hold, run, run.org_generation or _generation(unit, entry.org_slug))


def _claimed(services: Services, entry: QueueEntry, hold: Hold, run: Taken, generation: int | None) -> Claim:
    tenant = Tenant(OrgSlug(entry.org_slug), services.settings.environment, generation)
    return Claim(entry, hold, tenant, run.attempt, run.trigger_type, run.started_at)
