"""What a run has made visible has a say in how it ended."""

from collections.abc import Collection
from dataclasses import replace

from src.core.base.faults import StepFailed
from src.core.base.identity import Tenant
from src.core.ledger.tables import runs
from src.core.pipeline.catalog import CatalogEntry
from src.core.scheduler.settling import Ending
from src.core.step import manifests
from src.core.step.context import Services


def true_ending(services: Services, tenant: Tenant, entry: CatalogEntry | None, ending: Ending) -> Ending:
    """A run that has published is not called cancelled; nor is it failed, unless steps were left that its publication did not stand for."""
    # before the dataset is asked, which may cost a job: nothing that it says would change this
    if ending.status == "SUCCESS":
        return ending
    if not services.warehouse.has_dataset(tenant):
        return ending
    found = manifests.of_run(services, tenant, ending.run_id)
    if not found:
        return ending
    published = tuple(dict.fromkeys(str(manifest["step_id"]) for manifest in found))
    done = {step.step_id for step in services.ledger.read(runs.steps, ending.run_id) if step.status == "SUCCESS"}
    left = _left(entry, published, done)
    had = f"{', '.join(published)} had published before that"
    if left:
        why = f"{ending.error_message}; {had}, and what it published stays; not done: {', '.join(left)}"
        return replace(ending, status="FAILED", error_code=ending.error_code or StepFailed.code, error_message=why)
    return replace(
        ending,
        status="SUCCESS",
        error_code=None,
        error_message=None,
        result={**(ending.result or {}), "note": f"{had}: {ending.error_message}"},
        rows_processed=sum(manifest["rows_written"] for manifest in found),
        # a success is nothing to keep an entry for
        buried=False,
    )


def _left(entry: CatalogEntry | None, published: Collection[str], done: Collection[str]) -> list[str]:
    """Steps of the ordinary way that neither are done nor lead to a publication."""
    # the document is gone, and nobody can say which other steps it had
    if entry is None:
        return []
    above = frozenset().union(*(entry.graph.ancestors.get(step, frozenset()) for step in published))
    return [
        step.id
        for step in entry.document.steps
        if step.when == "on_success" and step.id not in above and step.id not in (*published, *done)
    ]
