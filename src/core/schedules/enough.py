"""Whether an organisation's plan allows what its schedules come to."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice, takewhile

from src.core.base.cron import Cron
from src.core.base.identity import Tenant
from src.core.ledger.store import Unit
from src.core.ledger.tables import configs, orgs
from src.core.ledger.tables.configs import Schedule
from src.core.step.context import Services

DAY = timedelta(days=1)


def shortage(services: Services, tenant: Tenant) -> str | None:
    """What a plan that is too small has its schedules wait for; None where it is large enough."""
    return services.ledger.read(_shortage, services, tenant.org_slug)


def _shortage(unit: Unit, services: Services, slug: str) -> str | None:
    org = orgs.get(unit, slug)
    limit = org.daily_run_limit if org else None
    if org is None or limit is None:
        return None
    now = services.clock.now()
    # one more than the limit says all there is to say
    due = sum(1 for _ in islice(_coming(configs.listing(unit, slug), now), limit + 1))
    if due <= limit:
        return None
    better = [(plan.daily_runs, name) for name, plan in services.ledger.plans.by_name.items() if plan.daily_runs > limit]
    more = f"; the plan {min(better)[1]} allows {min(better)[0]}" if better else ""
    return (
        f"the schedules come to more than {limit} runs within a day, and the plan {org.plan} allows {limit}: "
        f"what goes beyond waits for the next day, and runs that are asked for by hand are refused{more}"
    )


def _coming(schedules: Iterable[Schedule], now: datetime) -> Iterable[datetime]:
    for schedule in schedules:
        if schedule.is_active:
            yield from takewhile(lambda due: due <= now + DAY, Cron(schedule.schedule_cron, schedule.timezone).following(now))
