"""What is settled about a run before it begins, and before it is accepted: its inputs, its variables, what of them may be written down."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.core.base.faults import NotYours, Rejected
from src.core.base.identity import Tenant
from src.core.base.redaction import MASK
from src.core.base.window import Window
from src.core.pipeline.catalog import CatalogEntry
from src.core.pipeline.inputs import accept
from src.core.pipeline.mask import Mask
from src.core.pipeline.variables import settle, written
from src.core.step.context import Services
from src.core.step.credentials import Needed
from src.core.step.placeholders import Variables


@dataclass(frozen=True, slots=True)
class PreparedRun:
    inputs: Mapping[str, Any]
    variables: Variables
    parameters: dict[str, Any]
    """The inputs as the run's row keeps them: secrets and what is personal masked."""
    mask: Mask
    credentials: tuple[Needed, ...]
    """What its steps will open, of what the organisation has stored."""


def prepare(
    services: Services, entry: CatalogEntry, *, run_id: str, tenant: Tenant | None, window: Window | None, inputs: Mapping[str, Any]
) -> PreparedRun:
    """What this run lacks, or has too much of, is told before anything has begun."""
    taken = accept(entry.document.inputs, inputs)
    _check_tenant(entry, tenant, taken)
    mask = Mask()
    mask.learn(taken)
    variables = settle(
        entry.document,
        run_id=run_id,
        environment=services.settings.environment,
        today=services.clock.now().date(),
        tenant=tenant,
        window=window,
        inputs=taken,
    )
    # written only to find now what would else fail in the middle of the run
    for text, sql in entry.fillable:
        written(text, variables, sql=sql)
    for check in entry.checks:
        check.require(variables)
    needed = (one.needed(variables, taken) for one in entry.credentials)
    opened = tuple(dict.fromkeys(one for one in needed if one is not None))
    return PreparedRun(taken, variables, mask.plain(_impersonal(entry, taken)), mask, opened)


def _impersonal(entry: CatalogEntry, inputs: Mapping[str, Any]) -> dict[str, Any]:
    asked = entry.document.inputs
    return {name: MASK if asked[name].personal and value is not None else value for name, value in inputs.items()}


def _check_tenant(entry: CatalogEntry, tenant: Tenant | None, inputs: Mapping[str, Any]) -> None:
    if entry.document.scope == "organisation" and tenant is None:
        raise Rejected(f"the pipeline {entry.document_id} runs for an organisation; name one")
    # a platform pipeline is told the slug as an input, which must not lead it to somebody else
    if tenant is not None and inputs.get("org_slug") not in (None, tenant.org_slug):
        raise NotYours(f"this run is for {tenant.org_slug}, and its input org_slug names another organisation")
