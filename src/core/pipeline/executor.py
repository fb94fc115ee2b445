import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final

from src.core.base.identity import Actor, Tenant
from src.core.base.redaction import redacted_text
from src.core.base.turns import Turns
from src.core.base.window import Window
from src.core.ledger.tables.runs import NewRun, TriggerType
from src.core.pipeline.catalog import Catalog, CatalogEntry
from src.core.pipeline.journal import DeferredJournal, Journal
from src.core.pipeline.log_lines import LogLines
from src.core.pipeline.outcome import Outcome
from src.core.pipeline.preparation import prepare
from src.core.pipeline.run import UNLEASED, PipelineRun, Terms
from src.core.pipeline.step_runner import Sleep
from src.core.step.context import Services

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def _unheard() -> None:
    """For runs whose caller waits for the end alone."""


class AsyncPipelineExecutor:
    def __init__(self, services: Services, catalog: Catalog, journal: Journal, *, sleep: Sleep = asyncio.sleep) -> None:
        self._services = services
        self._catalog = catalog
        self._journal = journal
        self._sleep = sleep
        self._turns = Turns()

    async def run(
        self,
        document_id: str,
        *,
        actor: Actor,
        tenant: Tenant | None = None,
        inputs: Mapping[str, Any] = NOTHING,
        window: Window | None = None,
        trigger: TriggerType = "api",
        run_id: str | None = None,
        terms: Terms = UNLEASED,
        begins: Callable[[], object] = _unheard,
    ) -> Outcome:
        """What cannot begin (no such pipeline, unfit inputs) is raised; what fails after that is in the outcome.

        `begins` is called when its turn has come, before anything is written down.
        """
        entry = self._catalog.get(document_id)
        run_id = run_id or self._services.ids.new()
        # before its turn: what cannot begin is refused at once and waits for nobody
        prepared = prepare(self._services, entry, run_id=run_id, tenant=tenant, window=window, inputs=inputs)
        record = self._record(entry, run_id, actor=actor, tenant=tenant, window=window, trigger=trigger, parameters=prepared.parameters)
        lines = LogLines(prepared.mask, self._services.clock)
        log = lines.logger(run_id=run_id, org=tenant.org_slug if tenant else None)
        journal = terms.journal or self._journal
        run = PipelineRun(
            record=record,
            entry=entry,
            registry=self._catalog.registry,
            services=self._services,
            journal=DeferredJournal(journal, log) if entry.document.journal == "deferred" else journal,
            log=log,
            lines=lines,
            sleep=self._sleep,
            prepared=prepared,
            actor=actor,
            tenant=tenant,
            terms=terms,
        )
        # beside the queue's rule, which holds for runs under a lease: pipelines that a route runs itself are in no queue
        async with self._turn(entry, tenant):
            begins()
            return await run.carry_out()

    @asynccontextmanager
    async def _turn(self, entry: CatalogEntry, tenant: Tenant | None) -> AsyncIterator[None]:
        """One run at a time of a pipeline for an organisation, in the order they came."""
        if tenant is None:
            yield
            return
        # by generation: who has a slug now does not wait for what was begun for the one before
        async with self._turns.turn((entry.document_id, tenant.org_slug, tenant.generation)):
            yield

    def _record(
        self,
        entry: CatalogEntry,
        run_id: str,
        *,
        actor: Actor,
        tenant: Tenant | None,
        window: Window | None,
        trigger: TriggerType,
        parameters: dict[str, Any],
    ) -> NewRun:
        holder = tenant if entry.document.record == "organisation" else None
        org_slug = holder.org_slug if holder else None
        return NewRun(
            pipeline_logging_id=run_id,
            org_slug=org_slug,
            org_generation=holder.generation if holder else None,
            pipeline_id=entry.document.pipeline_id(org_slug),
            document=entry.document_id,
            provider=entry.document.provider,
            domain=entry.document.domain,
            trigger_type=trigger,
            user_id=actor.user_id and redacted_text(actor.user_id),
            request_id=actor.request_id and redacted_text(actor.request_id),
            parameters=parameters,
            window_start=window.start if window else None,
            window_end=window.end if window else None,
            status="QUEUED",
            accepted_at=self._services.clock.now(),
        )
