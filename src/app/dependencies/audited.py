import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from src.app.process.redaction import shown_path
from src.app.wiring import Parts
from src.core.base.faults import Fault
from src.core.base.identity import Actor
from src.core.base.threads import blocking
from src.core.ledger.store import Unit
from src.core.ledger.tables import orgs
from src.core.ledger.tables.audit import Outcome
from src.core.step import audit_trail

SHOWN = 200  # what a caller names may be of any length


@asynccontextmanager
async def audited(
    parts: Parts, actor: Actor, action: str, resource: str, org_slug: str | None = None, *, generation: int | None = None
) -> AsyncIterator[None]:
    """A change that succeeds writes its own audit row, with the change; one that does not is written down here.

    Not when its organisation was erased meanwhile: what was tried for that one is nothing to whoever has the slug next.
    """
    if org_slug is not None and generation is None:
        generation = await _generation(parts, org_slug)
    done = False
    try:
        yield
        done = True
    finally:
        if not done:
            fault = sys.exc_info()[1]
            await note(parts, actor, action, resource, org_slug=org_slug, outcome="FAILED", fault=fault, generation=generation)


async def note(
    parts: Parts,
    actor: Actor,
    action: str,
    resource: str,
    *,
    org_slug: str | None,
    outcome: Outcome,
    fault: BaseException | None,
    generation: int | None = None,
) -> None:
    # of what nobody foresaw only the kind: its text may hold anything
    details = {"code": "unexpected", "detail": type(fault).__name__}
    if isinstance(fault, Fault):
        details = {"code": fault.code, "detail": fault.detail}
    shown = shown_path(resource, SHOWN)

    def write(unit: Unit) -> None:
        if org_slug is None or generation is None or orgs.lives(unit, org_slug, generation):
            audit_trail.note(unit, parts, actor, action, shown, org_slug=org_slug, outcome=outcome, details=details)

    def write_once_bootstrapped() -> None:
        # before the bootstrap there is no table for it, and the caller is to hear of that instead of this write
        if not parts.ledger.missing():
            parts.ledger.write(write)

    await blocking(write_once_bootstrapped)


async def _generation(parts: Parts, org_slug: str) -> int | None:
    # what keeps the ledger from being asked is told by the call itself
    with suppress(Fault):
        holder = await parts.glance(orgs.holder, org_slug)
        return None if holder is None else holder.generation
    return None
