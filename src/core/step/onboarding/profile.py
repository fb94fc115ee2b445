"""The organisation's profile in its own dataset, which `org_comprehensive_view` shows beside its days."""

import random
import time
from datetime import datetime
from typing import Any, Final

from src.core.base.dataset_types import dataset_types
from src.core.base.documents import read_text
from src.core.base.faults import Superseded, Throttled, Unavailable
from src.core.base.identity import Tenant
from src.core.engine.port import Fence
from src.core.ledger.tables import orgs
from src.core.ledger.tables.orgs import NewOrg, Org
from src.core.step.context import Services

SCOPE: Final = "setup/organizations/onboarding"
TRIES: Final = 6
PAUSE_SECONDS: Final = 0.05

Row = dict[str, Any]


def of_new(org: NewOrg) -> Row:
    """As onboarding leaves it."""
    return _row(org, org.plan.name, "ACTIVE", org.created_at)


def follow(services: Services, tenant: Tenant) -> bool:
    """Brings the profile to what the ledger says of plan, status and name; whether it had to."""
    warehouse, table = services.warehouse, dataset_types().organization.housekeeping.profile
    if not warehouse.has_dataset(tenant) or table not in warehouse.tables(tenant):
        return False
    written = met = False
    for attempt in range(TRIES):
        if met:
            time.sleep(random.uniform(PAUSE_SECONDS, PAUSE_SECONDS * 2**attempt))  # noqa: S311 - only so that two do not meet again
        # before the ledger is read: whoever publishes after this has read the ledger as new as here or newer, and fences this one off
        generation = warehouse.last_generation(tenant, SCOPE) + 1
        org = _living(services, tenant)
        if org is None or org.plan is None:
            return written
        row = _row(org, org.plan, org.subscription_status, services.clock.now())
        if _shown(services, tenant) == [{name: value for name, value in row.items() if name != "snapshot_at"}]:
            return written
        try:
            with warehouse.publication(tenant, services.ids.new(), Fence(SCOPE, generation)) as publication:
                publication.replace(table, [row])
                # asked last: what was read of one who had the slug is not to be left in the dataset of who has it by now
                if _living(services, tenant) is None:
                    raise orgs.off_boarded(tenant.org_slug)
        # a run that ends, or another change, writes it too, and is done in a moment
        except (Superseded, Throttled):
            met = True
        else:
            # looked at once more: whoever changed the ledger meanwhile may have seen the row as it was before this one, and found it right
            written, met = True, False
    raise Unavailable(f"the profile in {tenant.dataset} is being written by others; send the same again")


def _living(services: Services, tenant: Tenant) -> Org | None:
    found = services.ledger.read(orgs.get, tenant.org_slug)
    return found if found is not None and tenant.generation in (None, found.generation) else None


def _shown(services: Services, tenant: Tenant) -> list[Row]:
    rows: list[Row] = services.warehouse.query(tenant, query(services, "profile")).to_pylist()
    return rows


def query(services: Services, name: str) -> str:
    place = dataset_types().organization.folder / "queries" / f"{name}.sql"
    return read_text(services.settings.configs_dir / place, f"configs/{place.as_posix()}")


def _row(org: NewOrg | Org, plan: str, status: str | None, at: datetime) -> Row:
    return {
        "org_slug": org.org_slug,
        "company_name": org.company_name,
        "subscription_plan": plan,
        "subscription_status": status,
        "timezone": org.timezone,
        "generation": org.generation,
        "created_at": org.created_at,
        "snapshot_at": at,
    }
