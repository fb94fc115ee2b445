from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from src.core.base.dataset_types import dataset_types
from src.core.base.faults import Misconfigured
from src.core.base.settings import Settings
from src.core.ledger.bootstrap import BootstrapResult, bootstrap, missing
from src.core.ledger.model import LedgerModel, load_model
from src.core.ledger.plans import Plans
from src.core.ledger.unit import LedgerEngine, LedgerTraits, Row, Undone, Unit

__all__ = ["BootstrapResult", "Ledger", "LedgerTraits", "Row", "Unit", "open_ledger"]

P = ParamSpec("P")
T = TypeVar("T")

AGAIN = 3

EXAMPLE = "LEDGER_URL=sqlite:////var/lib/convergence/ledger.db"


class Ledger:
    """The management tables. An operation is a function of a unit of work: `ledger.write(orgs.create, org)`."""

    def __init__(self, engine: LedgerEngine, model: LedgerModel, plans: Plans) -> None:
        self._engine = engine
        self._model = model
        self.plans = plans

    @property
    def traits(self) -> LedgerTraits:
        return self._engine.traits

    @contextmanager
    def reading(self) -> Iterator[Unit]:
        """One snapshot for all that is read in it."""
        with self._engine.reading() as unit:
            yield unit

    @contextmanager
    def writing(self) -> Iterator[Unit]:
        """One transaction: committed at the end, rolled back by an exception."""
        # what the engine undid is not done anew here: the body of a `with` runs once
        with self._engine.writing() as unit:
            yield unit

    def read(self, op: Callable[Concatenate[Unit, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return _do(self._engine.reading, op, *args, **kwargs)

    def glance(self, op: Callable[Concatenate[Unit, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`read` for an operation of a single statement, at half the cost."""
        return self._engine.glance(lambda unit: op(unit, *args, **kwargs))

    def write(self, op: Callable[Concatenate[Unit, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The whole operation is done anew when the engine undid it; so what it does outside the unit must bear that."""
        return _do(self._engine.writing, op, *args, **kwargs)

    def bootstrap(self, *, force: bool = False, then: Callable[[Unit, BootstrapResult], None] | None = None) -> BootstrapResult:
        """Creates the tables and views that lack, and columns that lack; `force` drops and makes all of them anew.

        `then` is the last of the same transaction: without it, nothing of the rest is kept either.
        """
        with self._engine.restructuring() as (connection, unit):
            made = bootstrap(connection, self._model, force=force)
            if then is not None:
                then(unit, made)
            return made

    def missing(self) -> tuple[str, ...]:
        """Tables and views that are not there; none means bootstrapped."""
        with self._engine.inspecting() as connection:
            return missing(connection, self._model)

    def check(self) -> None:
        """Raises the fault that keeps the ledger from being used."""
        self._engine.check()

    def close(self) -> None:
        self._engine.close()


def _do(opened: Callable[[], AbstractContextManager[Unit]], op: Callable[Concatenate[Unit, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    left = AGAIN
    while True:
        try:
            with opened() as unit:
                return op(unit, *args, **kwargs)
        except Undone:
            if not left:
                raise
        left -= 1


def open_ledger(settings: Settings) -> Ledger:
    """Nothing is opened, on disk or over the network, before the first unit."""
    model = load_model(settings.configs_dir / dataset_types().central.folder)
    plans = Plans.load(settings.configs_dir / "system" / "plans.yml")
    return Ledger(_engine(settings, model), model, plans)


def _engine(settings: Settings, model: LedgerModel) -> LedgerEngine:
    try:
        url = make_url(settings.ledger)
    except (ArgumentError, ValueError):  # the latter of a port that is no number
        # the cause may quote the address, and its password
        raise Misconfigured(f"LEDGER_URL is not a database URL; write it like {EXAMPLE}") from None
    name = url.get_backend_name()
    if name not in ENGINES:
        raise Misconfigured(f"LEDGER_URL names the engine {name!r}; served are {', '.join(sorted(ENGINES))}: {EXAMPLE}")
    return cast("LedgerAdapter", import_module(ENGINES[name])).open_engine(settings, url, model)


class LedgerAdapter(Protocol):
    def open_engine(self, settings: Settings, url: URL, model: LedgerModel) -> LedgerEngine: ...


# Loaded by name, so that a driver is imported only when its engine is chosen.
ENGINES = {
    "sqlite": "src.core.ledger.sqlite.engine",
    "postgresql": "src.core.ledger.postgresql.engine",
    "bigquery": "src.core.ledger.bigquery.engine",
}
# its traits say the same, and are known only when it is loaded
UNPOLLED = "bigquery"
