"""From a billing export, or any table of its dataset, to a table of the organisation: `gcp.bq_etl`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import structlog

from src.core.base.identity import Tenant
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.credentials import OpenCredential
from src.core.step.gcp_tables import PROVIDER, counting, opened_tables
from src.core.step.source.engine import SourceEngine, SourceStep
from src.core.step.source.port import Source


class GoogleTables:
    """What the engine asks of this provider alone."""

    name = PROVIDER

    def open(
        self, context: StepContext, tenant: Tenant, credential: OpenCredential, step: SourceStep
    ) -> AbstractContextManager[Sequence[Source]]:
        return opened_tables(context, tenant, credential, step.source_tables)

    def counting(self, context: StepContext, tenant: Tenant) -> frozenset[str]:
        return counting(context, tenant)


class BigQueryETLEngine:
    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.template_dir = self.settings.configs_dir / "gcp" / "bq_etl"
        self.engine = SourceEngine.read(GoogleTables(), self.settings.configs_dir, self.template_dir)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await blocking(self.engine.run, step_config, context)


def get_engine() -> BigQueryETLEngine:
    return BigQueryETLEngine()
