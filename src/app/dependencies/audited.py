import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from src.app.process.redaction import shown_path
from src.app.wiring import Parts
from src.core.base.faults import Fault
from src.core.base.identity import Actor
from src.core.base.threads import blocking
from src.core.ledger.tables.audit import Outcome
from src.core.step import audit_trail

SHOWN = 200  # what a caller names may be of any length


@asynccontextmanager
async def audited(parts: Parts, actor: Actor, action: str, resource: str, org_slug: str | None = None) -> AsyncIterator[None]:
    """A change that succeeds writes its own audit row, with the change; one that does not is written down here."""
    done = False
    try:
        yield
        done = True
    finally:
        if not done:
            await note(parts, actor, action, resource, org_slug=org_slug, outcome="FAILED", fault=sys.exc_info()[1])


async def note(
    parts: Parts, actor: Actor, action: str, resource: str, *, org_slug: str | None, outcome: Outcome, fault: BaseException | None
) -> None:
    def write() -> None:
        # before the bootstrap there is no table for it, and the caller is to hear of that instead of this write
        if not parts.ledger.missing():
            # of what nobody foresaw only the kind: its text may hold anything
            details = {"code": "unexpected", "detail": type(fault).__name__}
            if isinstance(fault, Fault):
                details = {"code": fault.code, "detail": fault.detail}
            shown = shown_path(resource, SHOWN)
            parts.ledger.write(audit_trail.note, parts, actor, action, shown, org_slug=org_slug, outcome=outcome, details=details)

    await blocking(write)
