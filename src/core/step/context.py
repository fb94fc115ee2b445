import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Literal, Protocol, TypeAlias, runtime_checkable

from pydantic import AfterValidator, ValidationInfo
from structlog.typing import FilteringBoundLogger

from src.core.base.clock import Clock
from src.core.base.documents import Document
from src.core.base.faults import Flaw, Timeout
from src.core.base.identity import Actor, Tenant
from src.core.base.ids import Ids
from src.core.base.names import did_you_mean
from src.core.base.settings import Settings
from src.core.crypto.vault import Vault
from src.core.engine.port import Warehouse
from src.core.ledger.store import Ledger
from src.core.step.placeholders import Kinds

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


class Progress(Protocol):
    """Says where a step stands. What is left out stays as it was; totals are estimates and may change."""

    def __call__(
        self,
        *,
        rows: int | None = None,
        rows_total: int | None = None,
        bytes_done: int | None = None,
        bytes_total: int | None = None,
        doing: str | None = None,
    ) -> None: ...


def untold(**_: object) -> None:
    """For runs whose progress nobody watches."""


def unheld() -> None:
    """For runs that no worker holds under a lease."""


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
    document_id: str = ""
    generation: int = 0
    """Of the worker's claim: orders this run's publications after those of every earlier claim of the same pipeline."""
    progress: Progress = field(default=untold, repr=False, compare=False)
    held: Callable[[], None] = field(default=unheld, repr=False, compare=False)
    """Asks the ledger; raises LeaseLost when the worker's claim is over or the run was cancelled."""
    given_up: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    def still_wanted(self) -> None:
        """Asked by a thread just before it commits: it outlives its attempt, whose caller has been told long since that it failed."""
        if self.given_up.is_set():
            raise Timeout(f"step {self.step_id} was given up before it was done")
        self.held()


@runtime_checkable
class Processor(Protocol):
    """A step's work. Built without arguments by its module's `get_engine()`."""

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult: ...


@dataclass(frozen=True, slots=True)
class StepPlace:
    """Where a step stands, for a processor that is asked about its config before any run."""

    step_id: str
    scope: Literal["platform", "organisation"]
    steps: Mapping[str, str]
    """The ps_type of every step of the document, in its order."""
    after: frozenset[str] = frozenset()
    """The steps that it waits for, however far above."""
    configs: Mapping[str, StepConfig] = field(default_factory=dict)
    """Of every step, as written."""
    provider: str | None = None
    kinds: Kinds = field(default_factory=dict)
    """Of the document's variables."""


def _earlier(name: str, info: ValidationInfo) -> str:
    place = info.context
    if isinstance(place, StepPlace) and name not in place.after:
        # also of this step itself, which the next sentence would call unknown
        if name in place.steps:
            raise ValueError(f"step {name!r} does not come before this one; name it in `depends_on`")
        raise ValueError(f"there is no earlier step {name!r}{did_you_mean(name, place.after)}")
    return name


EarlierStep = Annotated[str, AfterValidator(_earlier)]
"""The id of a step that this one comes after."""


@runtime_checkable
class Configured(Protocol):
    """A processor whose steps have a `config`. One without takes none.

    Several models are joined by `|`: a config is of the first whose needed keys it has, else of the last. Whatever it says is held
    against its model when the service starts, with the step's StepPlace as the context of validation, and once more, where variables
    have a part in it, when a run is accepted.
    """

    @property
    def config_model(self) -> type[Document] | UnionType: ...


@runtime_checkable
class ConfigChecker(Protocol):
    """A processor that knows more of a config than its model says: it is asked whenever that is, also of a config that does not fit.

    A flaw's `field` is a place in the config, and its `line` one of the text there.
    """

    def check(self, step_config: StepConfig, place: StepPlace) -> Sequence[Flaw]: ...


@runtime_checkable
class CredentialOpener(Protocol):
    """A processor that works with a credential its organisation has stored: it says so, and a run without it is refused when it is asked
    for, and costs nothing."""

    def opens(self, step_config: StepConfig) -> str | None:
        """The provider whose credential a step of this config opens; None where an earlier step hands it on."""
        ...
