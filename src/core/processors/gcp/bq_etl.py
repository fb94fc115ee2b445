"""`gcp.bq_etl`: with `books` a billing export into books that close, without them a query that BigQuery runs at the source."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import structlog

from src.core.base.faults import Flaw
from src.core.base.identity import Tenant
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.engine.port import Params
from src.core.providers.gcp.exports import account_named
from src.core.step.context import StepConfig, StepContext, StepPlace, StepResult
from src.core.step.credentials import OpenCredential
from src.core.step.etl.config import EtlStep
from src.core.step.etl.engine import QueryEngine
from src.core.step.gcp.exports import PROVIDER, counting, opened_tables
from src.core.step.source.config import SourceStep
from src.core.step.source.engine import SourceEngine
from src.core.step.source.port import Source


class GoogleTables:
    """What the engine asks of this provider alone."""

    name = PROVIDER

    def open(
        self, context: StepContext, tenant: Tenant, credential: OpenCredential, step: SourceStep
    ) -> AbstractContextManager[Sequence[Source]]:
        return opened_tables(context, tenant, credential, step.source_tables)

    def beside(self, source: str) -> bool:
        return False

    def sources_of(self, account: str) -> frozenset[str]:
        return frozenset({account})

    def named_after(self, source: str) -> str | None:
        return account_named(source.rpartition(".")[2])

    def asks(self, table: str | None) -> bool:
        return True

    def counting(self, context: StepContext, tenant: Tenant) -> frozenset[str]:
        return counting(context, tenant)

    def asked(self, context: StepContext, tenant: Tenant) -> Params:
        return {}


class BigQueryETLEngine:
    config_model = SourceStep | EtlStep

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        configs = self.settings.configs_dir
        self.template_dir = configs / "gcp" / "bq_etl"
        self.engine = SourceEngine.read(GoogleTables(), configs, self.template_dir)
        usual = (self.engine.facts.write_mode, self.engine.facts.rows_per_statement)
        self.queries = QueryEngine.read(PROVIDER, configs, self.template_dir, self.engine.templates, usual)

    def check(self, step_config: StepConfig, place: StepPlace) -> Sequence[Flaw]:
        engine = self.engine if "books" in step_config else self.queries
        return engine.check(step_config, place)

    def opens(self, step_config: StepConfig) -> str | None:
        return self.engine.opens(step_config)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        engine = self.engine if "books" in step_config else self.queries
        return await blocking(engine.run, step_config, context)


def get_engine() -> BigQueryETLEngine:
    return BigQueryETLEngine()
