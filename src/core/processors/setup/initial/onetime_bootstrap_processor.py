from dataclasses import asdict

import structlog

from src.core.base.dataset_types import dataset_types
from src.core.base.faults import Flaw, Rejected
from src.core.base.names import Environment
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.ledger.store import BootstrapResult, Unit
from src.core.step import audit_trail
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.losses import lost_ledger


class OnetimeBootstrapProcessor:
    """Brings the management tables and views to what `configs/setup/bootstrap` says."""

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.dataset = dataset_types().central
        self.template_dir = self.settings.configs_dir / self.dataset.folder

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        force = bool(context.inputs.get("force_recreate_dataset"))
        self._allow(force, context)
        if not force:
            await blocking(_refuse_over_a_loss, context)

        resource = f"datasets/{self.dataset.name}"

        def note(unit: Unit, made: BootstrapResult) -> None:
            details = {"forced": force, **self._facts(made)}
            audit_trail.note(unit, context.services, context.actor, "platform.bootstrap", resource, details=details)
            context.still_wanted()

        made = await blocking(context.services.ledger.bootstrap, force=force, then=note)
        return {"status": "SUCCESS", **self._facts(made)}

    def _allow(self, force: bool, context: StepContext) -> None:
        in_production = context.services.settings.environment is Environment.PRODUCTION
        name = self.dataset.name
        if force and in_production and context.inputs.get("confirm") != name:
            raise Rejected(
                f'force_recreate_dataset erases every organisation\'s management rows; in production it needs "confirm": "{name}"',
                flaws=[Flaw(f'must be "{name}"', "confirm")],
            )

    def _facts(self, made: BootstrapResult) -> dict[str, str | list[str]]:
        return {"dataset": self.dataset.name, **{field: list(names) for field, names in asdict(made).items()}}


def _refuse_over_a_loss(context: StepContext) -> None:
    ledger = context.services.ledger
    lost = lost_ledger(context.services.settings, ledger.missing())
    if lost:
        raise lost


def get_engine() -> OnetimeBootstrapProcessor:
    return OnetimeBootstrapProcessor()
