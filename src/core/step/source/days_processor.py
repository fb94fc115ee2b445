"""The processor of a provider that is asked for days of use: how it is asked is its own, all else is the same for every such one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial

import structlog

from src.core.base.faults import Flaw, Misconfigured
from src.core.base.identity import Tenant
from src.core.base.secret import Secret
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.base.window import Window
from src.core.engine.port import Params
from src.core.ledger.tables.credentials import list_for
from src.core.providers.link import ProviderLink, linked
from src.core.step.context import StepConfig, StepContext, StepPlace, StepResult
from src.core.step.credentials import OpenCredential
from src.core.step.source.by_day import Row, days_asked
from src.core.step.source.config import SourceStep
from src.core.step.source.engine import SourceEngine
from src.core.step.source.port import Source

Ask = Callable[[ProviderLink, Secret, Window], Iterable[tuple[date, Row]]]
"""The rows of each day of a window, the oldest day first."""


class DaysProcessor:
    """A source is what one account of the provider tells, under the name by which the provider knows it: the credential's subject."""

    config_model = SourceStep

    def __init__(self, provider: str, ask: Ask, *, keeps_days: int | None = None) -> None:
        """`keeps_days`: how many days back the provider tells of, today not counted."""
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.name = provider
        self._ask = ask
        self._keeps = keeps_days
        self.engine = SourceEngine.read(self, self.settings.configs_dir)
        if any(len(books.raw) > 1 for books in self.engine.books.values()):
            raise Misconfigured(
                f"{provider} has several tables of raw rows: a source is known by its account alone here, and would stand for each"
            )

    def check(self, step_config: StepConfig, place: StepPlace) -> Sequence[Flaw]:
        return self.engine.check(step_config, place)

    def opens(self, step_config: StepConfig) -> str | None:
        return self.engine.opens(step_config)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await blocking(self.engine.run, step_config, context)

    @contextmanager
    def open(self, context: StepContext, tenant: Tenant, credential: OpenCredential, step: SourceStep) -> Iterator[Sequence[Source]]:
        services = context.services
        if credential.subject is None:
            raise Misconfigured(f"the probe of {self.name} names no `subject`, the account by which its rows are known")
        today = services.clock.now().date()
        since = date.min if self._keeps is None else today - timedelta(self._keeps)
        with linked(services, self.name, context.given_up) as link:
            asked = {credential.subject: (self.engine.columns(step), partial(self._ask, link, credential.secret))}
            with days_asked(services.warehouse.io_folder(tenant), context.run_id, asked, today, since) as sources:
                yield sources

    def counting(self, context: StepContext, tenant: Tenant) -> frozenset[str]:
        """Two credentials of one account are one source, and count once."""
        stored = context.services.ledger.read(list_for, tenant.org_slug)
        return frozenset(one.subject for one in stored if one.provider == self.name and one.subject is not None)

    def asked(self, context: StepContext, tenant: Tenant) -> Params:  # noqa: ARG002 - the engine names them
        return {}
