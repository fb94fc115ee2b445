from collections.abc import Callable, Mapping
from datetime import date
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Protocol, cast

from starlette.types import ASGIApp

from src.core.base.clock import Clock
from src.core.base.faults import Unavailable
from src.core.base.settings import SANDBOX_ROWS_PER_HOUR
from src.sandbox.gcp.accounts import DEMO, SERVICE_ACCOUNTS
from src.sandbox.gcp.bigquery import BigQuery
from src.sandbox.gcp.callers import Gate, Trouble
from src.sandbox.gcp.exports import Exports
from src.sandbox.gcp.file_cache import Shelf
from src.sandbox.gcp.keys import KeyFiles
from src.sandbox.gcp.queries import Queries
from src.sandbox.gcp.right_figures import Answers
from src.sandbox.gcp.service import Service
from src.sandbox.gcp.tokens import Tokens
from src.sandbox.gcp.traps import traps
from src.sandbox.trap import Trap

# Loaded by name when the sandbox starts: a service without one never imports gRPC for it.
STORAGE = "src.sandbox.gcp.storage"


class RunningStorage(Protocol):
    url: str

    def stop(self) -> None: ...


class StorageModule(Protocol):
    Storage: Callable[[Gate, Exports], RunningStorage]


class Gcp:
    """Google Cloud as the sandbox knows it."""

    def __init__(self, folder: Path, clock: Clock, *, today: date | None = None, rows_per_hour: int = SANDBOX_ROWS_PER_HOUR) -> None:
        self._clock = clock
        self._today = today
        self._exports = Exports(folder / self.name, self.today, rows_per_hour)
        self._keys = KeyFiles(folder / "credentials")
        tokens = Tokens(self._keys, clock)
        self._gate = Gate(tokens)
        self._service = Service(tokens, self._gate, BigQuery(self.today, rows_per_hour), Queries(self._exports))
        self._storage: RunningStorage | None = None

    @property
    def name(self) -> str:
        return "gcp"

    @property
    def app(self) -> ASGIApp:
        return self._service.app

    def endpoints(self, base: str) -> Mapping[str, str]:
        if self._storage is None:
            raise Unavailable("the sandbox's BigQuery Storage API is not started")
        return {"gcp_token_url": f"{base}/token", "bigquery_url": base, "bigquery_storage_url": self._storage.url}

    def prepare(self) -> None:
        # this one alone: a key takes a while to make, and a start waits for it
        self._keys.file(DEMO)
        if self._storage is None:
            self._storage = cast("StorageModule", import_module(STORAGE)).Storage(self._gate, self._exports)

    def prepare_more(self, stopping: Event) -> None:
        """And stands by until the end, to stop what is not of the one HTTP server."""
        for name in SERVICE_ACCOUNTS:
            if stopping.is_set():
                break
            self._keys.file(name)
        stopping.wait()
        if self._storage is not None:
            self._storage.stop()
            self._storage = None

    def today(self) -> date:
        return self._today or self._clock.now().date()

    def shelf(self, project: str, dataset: str, table: str) -> Shelf:
        return self._exports.shelf(project, dataset, table)

    def service_account(self, name: str) -> str:
        """The text of its key file, as an organisation would store it."""
        return self._keys.file(name).read_text()

    def trouble(self, kind: Trouble, times: int = 1) -> None:
        """Lets BigQuery's next answers be this failure. For tests; nobody can ask for it over HTTP."""
        self._gate.trouble(kind, times)

    def answers(self, table: str, first: date, last: date, as_of: date | None = None) -> Answers:
        """What the load days from `first` to `last` come to, as they can be read on `as_of` (today when left out)."""
        return self._exports.answers(table, first, last, as_of)

    def traps(self, first: date, last: date, as_of: date | None = None) -> list[Trap]:
        """Every planted trap with its right and its naive figure, for a load of these load days of the dollar and the euro account."""
        return traps(self._exports, first, last, as_of)
