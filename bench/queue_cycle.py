"""Runs on their way through the ledger: accepted, claimed, settled. `python -m bench.queue_cycle LEDGER_URL CYCLES`"""

import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

from src.core.base.identity import Actor
from src.core.base.settings import Settings
from src.core.ledger import orgs, queue, quotas, runs, scheduled
from src.core.ledger.plans import Plan
from src.core.ledger.runs import NewRun
from src.core.ledger.store import Ledger, Unit, open_ledger
from src.core.scheduler.settling import Ending, settle

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = date(2026, 11, 19)
LEASE = timedelta(seconds=30)
PLAN = Plan("WIDE", 10**6, 10**6, 10)
WARM_UP = 20


def prepared(url: str) -> None:
    ledger = opened(url)
    ledger.bootstrap()
    acme = orgs.NewOrg(org_slug="acme", company_name="Acme", admin_email="a@acme.example", plan=PLAN, created_at=AT, generation=1)
    assert ledger.write(orgs.create, acme)
    ledger.close()


def opened(url: str) -> Ledger:
    return open_ledger(Settings(_env_file=None, ledger_url=url))


def cycle(ledger: Ledger, number: int) -> None:
    run_id = f"run{number:06}"
    ledger.write(_accept, run_id)
    ledger.write(_claim)
    ledger.write(_end, run_id)


def _accept(unit: Unit, run_id: str) -> None:
    run = NewRun(
        pipeline_logging_id=run_id,
        org_slug="acme",
        pipeline_id="acme-gcp-cost",
        document="gcp/cost/billing",
        trigger_type="api",
        window_start=DAY,
        window_end=DAY,
        status="QUEUED",
        accepted_at=AT,
        active_key=f"acme|gcp/cost/billing|{run_id}",
    )
    orgs.alone(unit, "acme")
    assert runs.working(unit, str(run.active_key)) is None
    assert quotas.reserve(unit, "acme", day=DAY, at=AT).admitted
    assert runs.accept(unit, run)
    common: dict[str, Any] = {
        "scheduled_run_id": run_id,
        "org_slug": "acme",
        "pipeline_id": run.pipeline_id,
        "document": run.document,
        "queued_at": AT,
        "max_retries": 2,
        "pipeline_logging_id": run_id,
    }
    scheduled.add(unit, scheduled.NewTrigger(trigger_type="api", scheduled_time=AT, created_at=AT, **common))
    assert queue.add(unit, queue.NewEntry(queue_id=run_id, available_at=AT, **common))


def _claim(unit: Unit) -> None:
    entry = queue.claim(unit, "bench", AT, AT + LEASE)
    assert entry is not None
    assert runs.take(unit, entry.pipeline_logging_id, AT) == 1
    scheduled.start(unit, entry.pipeline_logging_id, AT)


def _end(unit: Unit, run_id: str) -> None:
    entry = queue.get(unit, run_id)
    assert entry is not None
    assert queue.complete(unit, queue.Hold(run_id, "bench", entry.lease_generation))
    ending = Ending(run_id=run_id, audit_id=f"a{run_id}", org_slug="acme", actor=Actor("system"), status="SUCCESS", at=AT)
    assert settle(unit, ending)


def main(url: str, cycles: int) -> None:
    ledger = opened(url)
    first = time.time_ns()  # runs of an earlier process have other numbers
    for number in range(first, first + WARM_UP):
        cycle(ledger, number)
    started = time.perf_counter()
    for number in range(first + WARM_UP, first + WARM_UP + cycles):
        cycle(ledger, number)
    print(f"measured {time.perf_counter() - started}")
    ledger.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
