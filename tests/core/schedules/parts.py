from datetime import timedelta
from typing import Any

from src.core.ledger.plans import Plan
from src.core.ledger.tables import configs
from src.core.ledger.tables.configs import Schedule
from src.core.schedules.trigger import Triggered, trigger
from tests.core.scheduler.parts import NOON, WIDE, Floor

SLOTS, RUNS = "org_scheduled_pipeline_runs", "org_meta_pipeline_runs"


def schedule(work: Floor, slug: str = "acme", config_id: str = "c1", *, plan: Plan = WIDE, **changes: Any) -> Schedule:
    """Each day at noon, due now."""
    work.tenant(slug, plan)
    given: dict[str, Any] = {
        "config_id": config_id,
        "org_slug": slug,
        "pipeline_id": f"{slug}-gcp-cost",
        "document": "quick",
        "provider": "gcp",
        "domain": "cost",
        "schedule_cron": "0 12 * * *",
        "timezone": "UTC",
        "is_active": True,
        "next_run_time": NOON,
        "max_retries": 3,
        "created_at": NOON - timedelta(days=30),
        "updated_at": NOON - timedelta(days=30),
    }
    made = Schedule(**{**given, **changes})
    assert work.ledger.write(configs.add, made)
    return made


def triggered(work: Floor, **more: Any) -> Triggered:
    return trigger(work, work.catalog, **more)


def rows(work: Floor, table: str = SLOTS) -> list[dict[str, Any]]:
    with work.ledger.reading() as unit:
        found = [dict(row._asdict()) for row in unit.rows(unit.tables[table].select())]
    return sorted(found, key=lambda row: str(row.get("scheduled_time")))


def later(work: Floor, **span: float) -> None:
    work.clock.at += timedelta(**span).total_seconds()
