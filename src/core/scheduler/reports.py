"""All that is known of one run."""

from dataclasses import dataclass
from typing import Any

from src.core.base.faults import Missing
from src.core.base.identity import Tenant
from src.core.ledger.store import Unit
from src.core.ledger.tables import dq_results, runs
from src.core.ledger.tables.dq_results import DqResult
from src.core.ledger.tables.runs import RunRecord, StepLog
from src.core.step import manifests
from src.core.step.context import Services


@dataclass(frozen=True, slots=True)
class RunReport:
    """What the ledger has of it, off one snapshot."""

    run: RunRecord
    steps: list[StepLog]
    judged: list[DqResult]


@dataclass(frozen=True, slots=True)
class Report:
    run: RunRecord
    steps: list[StepLog]
    judged: list[DqResult]
    manifests: list[dict[str, Any]]


def trace(services: Services, tenant: Tenant, run_id: str) -> RunReport:
    return services.ledger.read(_trace, tenant, run_id)


def report(services: Services, tenant: Tenant, run_id: str) -> Report:
    found = trace(services, tenant, run_id)
    # asked of the dataset, which may cost a job, only when the answer is final; a run that never began has published nothing
    asked = bool(found.run.started_at and found.run.ended_at)
    # one that failed may have done so because the dataset is lost, and says it; one that succeeded must not seem to have loaded nothing
    asked = asked and (found.run.status == "SUCCESS" or services.warehouse.has_dataset(tenant))
    return Report(found.run, found.steps, found.judged, manifests.of_run(services, tenant, run_id) if asked else [])


def own(found: RunRecord | None, tenant: Tenant, run_id: str) -> RunRecord:
    """Whether a run of somebody else's exists is not told."""
    if found is None:
        raise Missing(f"{tenant.org_slug} has no run {run_id[:80]!r}; GET /api/v1/pipelines/runs/{tenant.org_slug} lists them")
    return found


def _trace(unit: Unit, tenant: Tenant, run_id: str) -> RunReport:
    run = own(runs.of_org(unit, tenant.org_slug, run_id), tenant, run_id)
    return RunReport(run, runs.steps(unit, run_id), dq_results.of_run(unit, run_id))
