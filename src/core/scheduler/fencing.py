"""A claim's generation against what the warehouse has published."""

from src.core.base.faults import Superseded, Throttled
from src.core.engine.port import Fence
from src.core.scheduler.lease import Lease
from src.core.step.context import Services

# somebody else may publish between the look and the own publication, each time anew
TRIES = 8


def raise_fence(services: Services, lease: Lease) -> None:
    """Before a run begins: its generation is above every published one, and an earlier worker's can no longer be published.

    Throttled while that earlier worker has a publication open; its end decides.
    """
    if not services.warehouse.has_dataset(lease.claim.tenant):
        return
    _above_published(services, lease)
    # a first attempt has no earlier worker whose publication could still come
    if lease.claim.attempt > 1:
        seal(services, lease)
        # what was shut out is the earlier worker; this lease has a generation above the seal by now
        lease.sealed = False


def seal(services: Services, lease: Lease) -> bool:
    """Publishes nothing, under a generation above the lease's: what still works under that one publishes no more.

    Whether something had been published under it already.
    """
    claim = lease.claim
    own = lease.generation
    for _ in range(TRIES):
        above = max(own, services.warehouse.last_generation(claim.tenant, claim.entry.document)) + 1
        try:
            with services.warehouse.publication(claim.tenant, claim.run_id, Fence(claim.entry.document, above)):
                # On DuckDB nobody else of this scope commits while this one is open. On BigQuery an older one still may until this one's
                # end: it is then not told here, and is found by the manifest that it has published.
                last = services.warehouse.last_generation(claim.tenant, claim.entry.document)
        except Superseded:
            continue
        # above the seal, which would else refuse what this lease has still to publish
        lease.advance(above + 1)
        lease.sealed = True
        return last == own
    raise Throttled(f"{claim.entry.document} is being published again and again; run this again", retry_after=1)


def _above_published(services: Services, lease: Lease) -> None:
    """A clock that was set back leaves the claim's generation behind."""
    claim = lease.claim
    published = services.warehouse.last_generation(claim.tenant, claim.entry.document)
    if published >= lease.generation:
        lease.advance(published + 1)
