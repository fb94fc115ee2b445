"""The one place where settings become parts. Server, command line and, later, workers are built from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from threading import Lock
from typing import Concatenate, ParamSpec, TypeVar

from src.core.base.clock import Clock, SystemClock
from src.core.base.faults import Fault
from src.core.base.ids import Ids, SystemIds
from src.core.base.settings import Settings, use_settings
from src.core.base.threads import blocking
from src.core.crypto.vault import Vault, open_vault
from src.core.engine import EMBEDDED, check_embedded, claim_warehouse, open_warehouse
from src.core.engine.port import Warehouse
from src.core.engine.process_lock import ProcessLock
from src.core.ledger.store import Ledger, Unit, open_ledger
from src.core.notify.transports import Transports
from src.core.outbox.courier import Courier
from src.core.outbox.hooks import Hook
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.executor import AsyncPipelineExecutor
from src.core.pipeline.journal import LedgerJournal
from src.core.providers.start_check import check_providers
from src.core.scheduler.worker import Worker
from src.core.schedules import trigger
from src.core.schedules.timekeeper import Timekeeper
from src.core.step.losses import find_losses, told
from src.sandbox.server import Sandbox

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Parts:
    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=SystemIds)
    sandbox: Sandbox | None = None
    _opening: Lock = field(default_factory=Lock, repr=False)
    _claim: ProcessLock | None = field(default=None, repr=False)
    _warehouse: Warehouse | None = field(default=None, repr=False)

    def start_sandbox(self) -> None:
        """Before anything else is looked at: it says where the providers are."""
        if self.settings.sandbox and self.sandbox is None:
            self.sandbox = Sandbox(self.settings.data_dir / "sandbox", self.clock, rows_per_hour=self.settings.sandbox_rows_per_hour)
            self.sandbox.start()
            self.settings = self.sandbox.stand_in(self.settings)
            # what a processor asks for is what the service runs with: no real key may go to a real provider from here
            use_settings(self.settings)

    def claim_warehouse(self) -> None:
        """At start-up, so that a second process is refused before it serves."""
        if self._claim is None:
            self._claim = claim_warehouse(self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        return open_ledger(self.settings)

    async def glance(self, op: Callable[Concatenate[Unit, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One statement that reads a row or a few, on the event loop where that is cheaper than leaving it."""
        if self.ledger.traits.inline_reads:
            return self.ledger.glance(op, *args, **kwargs)

        def glance() -> T:
            return self.ledger.glance(op, *args, **kwargs)

        return await blocking(glance)

    @cached_property
    def vault(self) -> Vault:
        return open_vault(self.settings)

    @cached_property
    def transports(self) -> Transports:
        return Transports(self.settings, self.clock)

    @property
    def warehouse(self) -> Warehouse:
        """Opened on first touch: its driver is a third of the service's memory."""
        # threads of several requests may come first at the same moment, and would open it once each
        with self._opening:
            if self._warehouse is None:
                self._warehouse = open_warehouse(self.settings, self.clock, self._claim)
            return self._warehouse

    def check_warehouse(self) -> None:
        """For readiness: the embedded one is looked at without opening it."""
        if self.settings.warehouse_engine == EMBEDDED:
            check_embedded(self.settings)
        else:
            self.warehouse.check()

    def losses(self) -> Mapping[str, Fault]:
        """What is gone that the ledger speaks of, by its name, with what is said of it; or the ledger itself."""
        return find_losses(self.settings, self.ledger, self.vault, self._warehouse)

    def check_stored(self) -> None:
        """For readiness. What is lost keeps nobody from being served but who has lost it."""
        lost = self.losses()
        if lost:
            raise told(lost)

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog.load(self.settings.configs_dir)

    @property
    def alone(self) -> bool:
        """Whoever has claimed an embedded warehouse knows that no other process works beside it."""
        return self._claim is not None

    @cached_property
    def lifetime(self) -> str:
        """Tells what this process has begun from what one before it has left."""
        return self.ids.new()

    def load(self) -> None:
        """Reads every document and builds every processor, so that what is wrong with one is told at the start."""
        check_providers(self.settings)
        self.executor  # noqa: B018 - made on first look

    @cached_property
    def executor(self) -> AsyncPipelineExecutor:
        return AsyncPipelineExecutor(self, self.catalog, LedgerJournal(self.ledger))

    @cached_property
    def worker(self) -> Worker:
        follow = partial(trigger.follow, self, self.catalog)
        return Worker(self, self.catalog, self.executor, alone=lambda: self.alone, follow=follow)

    @property
    def keeps_time(self) -> bool:
        return self.settings.scheduler_enabled and self.ledger.traits.polled

    @cached_property
    def timekeeper(self) -> Timekeeper:
        return Timekeeper(self, self.catalog, self.worker.wake, alone=lambda: self.alone)

    @cached_property
    def courier(self) -> Courier:
        return Courier(self, self.transports, self._hooks_of, alone=lambda: self.alone)

    def _hooks_of(self, document_id: str) -> tuple[Hook, ...]:
        entry = self.catalog.entries.get(document_id)
        return tuple(hook.hook for hook in entry.document.hooks) if entry else ()

    def close(self) -> None:
        if self._warehouse is not None:
            self._warehouse.close()
        elif self._claim is not None:
            self._claim.release()
        # looked for first: asking would open one only to close it
        if "transports" in self.__dict__:
            self.transports.close()
        if "ledger" in self.__dict__:
            self.ledger.close()
        if self.sandbox is not None:
            self.sandbox.stop()
