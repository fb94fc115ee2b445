import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

from structlog.typing import FilteringBoundLogger

from src.core.base.clock import Clock
from src.core.base.faults import Timeout
from src.core.base.identity import Actor, Tenant
from src.core.base.ids import Ids
from src.core.base.settings import Settings
from src.core.crypto.vault import Vault
from src.core.engine.port import Warehouse
from src.core.ledger.store import Ledger

StepConfig: TypeAlias = Mapping[str, Any]
StepResult: TypeAlias = dict[str, Any]


class Services(Protocol):
    """What a step may use. `warehouse` opens on first touch."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def warehouse(self) -> Warehouse: ...


@dataclass(frozen=True, slots=True)
class StepContext:
    run_id: str
    step_id: str
    actor: Actor
    services: Services
    log: FilteringBoundLogger
    tenant: Tenant | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, StepResult] = field(default_factory=dict)
    given_up: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    def still_wanted(self) -> None:
        """Asked by a thread just before it commits: it outlives its attempt, whose caller has been told long since that it failed."""
        if self.given_up.is_set():
            raise Timeout(f"step {self.step_id} was given up before it was done")


@runtime_checkable
class Processor(Protocol):
    """A step's work. Built without arguments by its module's `get_engine()`."""

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult: ...
