"""The processor of a provider that is asked for days of use: how it is asked is its own, all else is the same for every such one."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any, TypeAlias

import structlog

from src.core.base.faults import Flaw, Misconfigured
from src.core.base.identity import Tenant
from src.core.base.secret import Secret
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.base.window import Window
from src.core.engine.port import Params
from src.core.ledger.tables.credentials import CredentialRecord, list_for
from src.core.providers.link import ProviderLink, linked
from src.core.step.context import StepConfig, StepContext, StepPlace, StepResult
from src.core.step.counted import account_of
from src.core.step.credentials import OpenCredential
from src.core.step.source.by_day import AskDays, LookedAt, Told, days_asked
from src.core.step.source.config import SourceStep
from src.core.step.source.engine import SourceEngine
from src.core.step.source.port import Source

Ask: TypeAlias = Callable[[ProviderLink, Secret, Window], Iterable[tuple[date, Told]]]
"""The rows of each day of a window, the oldest day first."""


@dataclass(frozen=True, slots=True)
class ReportAsker:
    """Who asks, and on whose behalf."""

    context: StepContext
    tenant: Tenant
    link: ProviderLink
    key: Secret
    source: str
    """The name under which its rows are kept."""
    connection: Mapping[str, Any] = field(default_factory=dict)
    """What is stored beside the credential."""


@dataclass(frozen=True, slots=True)
class DayReport:
    """What one table of raw rows is filled from."""

    asks: Callable[[ReportAsker], AskDays]
    beside: str = ""
    """Follows the account's name in that of the source: two reports of one account are two sources."""
    counts: bool = True
    """Whether every day is expected to be told; its name has to tell one that does not from those that do."""
    looks: Callable[[ReportAsker], LookedAt] | None = None
    """Of a report that is not asked for the days of the run up to today."""
    asks_provider: bool = True
    """Otherwise it lies here already, and nothing is learned of the credential."""


class DaysProcessor:
    """A source is what one account of the provider tells, under the name by which the provider knows it: the credential's subject."""

    config_model = SourceStep

    def __init__(self, provider: str, asked: Ask | Mapping[str, DayReport], *, keeps_days: int | None = None) -> None:
        """`asked` is a report for each table of raw rows, or how all are asked.

        `keeps_days`: how many days back the provider tells of, today not counted.
        """
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.name = provider
        self._keeps = keeps_days
        self.engine = SourceEngine.read(self, self.settings.configs_dir)
        self._asked = asked if isinstance(asked, Mapping) else DayReport(partial(_asking, asked))
        for table in (table for books in self.engine.books.values() for table in books.raw):
            self._report(table)

    def check(self, step_config: StepConfig, place: StepPlace) -> Sequence[Flaw]:
        return self.engine.check(step_config, place)

    def opens(self, step_config: StepConfig) -> str | None:
        return self.engine.opens(step_config)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await blocking(self.engine.run, step_config, context)

    @contextmanager
    def open(self, context: StepContext, tenant: Tenant, credential: OpenCredential, step: SourceStep) -> Iterator[Sequence[Source]]:
        services = context.services
        today = services.clock.now().date()
        report = self._report(step.destination_table or "")
        name = self.account(credential) + report.beside
        if credential.subject is None:
            context.log.warning("source.unnamed", provider=self.name, source=name)
        with linked(services, self.name, context.given_up) as link:
            asker = ReportAsker(context, tenant, link, credential.secret, name, credential.connection)
            asked = {name: (self.engine.columns(step), report.asks(asker))}
            looks, since = report.looks(asker) if report.looks else None, self.since(credential, today)
            with days_asked(services.warehouse.io_folder(tenant), context.run_id, asked, today, since, looks=looks) as sources:
                yield sources

    def since(self, credential: OpenCredential, today: date) -> date:  # noqa: ARG002 - a provider may tell one account less than another
        """The first day of which it tells."""
        return date.min if self._keeps is None else today - timedelta(self._keeps)

    def counting(self, context: StepContext, tenant: Tenant) -> frozenset[str]:
        """Two credentials of one account are one source, and count once."""
        stored = context.services.ledger.read(list_for, tenant.org_slug)
        accounts = {self.account(one) for one in stored if one.provider == self.name}
        return frozenset().union(*map(self.sources_of, accounts))

    def sources_of(self, account: str) -> frozenset[str]:
        return frozenset(account + report.beside for report in self._reports if report.counts)

    def beside(self, source: str) -> bool:
        return any(source.endswith(report.beside) for report in self._reports if not report.counts)

    def named_after(self, source: str) -> str | None:  # noqa: ARG002 - no two sources of its tell of one account
        return None

    def asks(self, table: str | None) -> bool:
        # what no report fills is told as a flaw of the step
        report = self._asked.get(table or "") if isinstance(self._asked, Mapping) else self._asked
        return report is None or report.asks_provider

    def asked(self, context: StepContext, tenant: Tenant) -> Params:  # noqa: ARG002 - the engine names them
        return {}

    @property
    def _reports(self) -> Collection[DayReport]:
        return self._asked.values() if isinstance(self._asked, Mapping) else (self._asked,)

    def _report(self, table: str) -> DayReport:
        if not isinstance(self._asked, Mapping):
            return self._asked
        if table not in self._asked:
            raise Misconfigured(f"no report of {self.name} fills the table {table or 'that the step does not name'}")
        return self._asked[table]

    def account(self, credential: OpenCredential | CredentialRecord) -> str:
        """Under which the provider knows it, or that stands for it."""
        name = credential.name if isinstance(credential, OpenCredential) else credential.credential_name
        return account_of(self.name, credential.subject, name)


def _asking(ask: Ask, asking: ReportAsker) -> AskDays:
    return partial(ask, asking.link, asking.key)
