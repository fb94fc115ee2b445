"""What an organisation may still run."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from src.core.base.faults import Missing
from src.core.base.identity import Tenant
from src.core.ledger.store import Unit
from src.core.ledger.tables import orgs, quotas
from src.core.ledger.tables.orgs import Org
from src.core.ledger.tables.quotas import Reason, Usage
from src.core.scheduler.refusals import refusal, reset_of
from src.core.step.context import Services


@dataclass(frozen=True, slots=True)
class RunAllowance:
    org: Org
    used: Usage
    day_resets: datetime
    month_resets: datetime
    reason: Reason | None
    why: str | None


def allowance(services: Services, tenant: Tenant) -> RunAllowance:
    return services.ledger.read(_allowance, services, tenant)


def _allowance(unit: Unit, services: Services, tenant: Tenant) -> RunAllowance:
    now = services.clock.now()
    org = orgs.get(unit, tenant.org_slug)
    if org is None:
        raise Missing(f"there is no organisation {tenant.org_slug!r}; GET /api/v1/organizations lists them")
    # on the organisation's own calendar, by which its reservations are counted
    used = quotas.usage(unit, org.org_slug, now.astimezone(ZoneInfo(org.timezone)).date())
    reason = quotas.reached(used)
    return RunAllowance(
        org=org,
        used=used,
        day_resets=reset_of("daily", used.day, org.timezone),
        month_resets=reset_of("monthly", used.day, org.timezone),
        reason=reason,
        why=refusal(org, used, reason, services.ledger.plans, now).detail if reason else None,
    )
