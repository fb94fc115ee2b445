from collections.abc import Mapping
from typing import Any

from src.core.base.identity import Actor
from src.core.ledger import audit
from src.core.ledger.store import Unit
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
    """An audit row, in the transaction of the change it tells of."""
    audit.record(
        unit,
        audit_id=services.ids.new(),
        at=services.clock.now(),
        actor=actor,
        action=action,
        org_slug=org_slug,
        resource=resource,
        outcome=outcome,
        details=details,
    )
