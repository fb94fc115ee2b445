from collections.abc import Mapping
from typing import Any

from src.core.base.identity import Actor
from src.core.base.redaction import redacted_member, redacted_text
from src.core.ledger.store import Unit
from src.core.ledger.tables import audit
from src.core.step.context import Services


def note(
    unit: Unit,
    services: Services,
    actor: Actor,
    action: str,
    resource: str,
    *,
    org_slug: str | None = None,
    outcome: audit.Outcome = "SUCCESS",
    details: Mapping[str, Any] | None = None,
) -> None:
    """An audit row, in the transaction of the change it tells of. It is kept for good, so a secret that a caller put in it is masked."""
    audit.record(
        unit,
        audit_id=services.ids.new(),
        at=services.clock.now(),
        actor=actor._replace(user_id=_shown(actor.user_id), request_id=_shown(actor.request_id)),
        action=action,
        org_slug=_shown(org_slug),
        resource=redacted_text(resource),
        outcome=outcome,
        details=None if details is None else {redacted_text(name): redacted_member(name, value) for name, value in details.items()},
    )


def _shown(text: str | None) -> str | None:
    return None if text is None else redacted_text(text)
