"""The sandbox: every provider's HTTP and every receiver's on one loopback port, for demos and tests. Never for production."""

import logging
import socket
import threading
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, cast

import uvicorn

from src.core.base.clock import Clock
from src.core.base.faults import Unavailable
from src.core.base.settings import SANDBOX_ROWS_PER_HOUR, Settings
from src.sandbox.discovery import PREFIX, providers_in
from src.sandbox.provider import SandboxProvider
from src.sandbox.receivers.http_sinks import PATHS
from src.sandbox.receivers.receivers import Receivers
from src.sandbox.routing import Router

if TYPE_CHECKING:
    from src.sandbox.gcp.provider import Gcp

THREAD = "sandbox"
LOOPBACK = "127.0.0.1"
PATIENCE_SECONDS = 10.0
OWNER_ONLY = 0o700


class Sandbox:
    """`today` holds the date still; left out, the clock says it. It answers once it is started."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        today: date | None = None,
        *,
        rows_per_hour: int = SANDBOX_ROWS_PER_HOUR,
        prefix: str = PREFIX,
    ) -> None:
        folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        self.providers = providers_in(prefix, folder, clock, today=today, rows_per_hour=rows_per_hour)
        self.receivers = Receivers(folder, clock)
        self._running: _Running | None = None

    @property
    def gcp(self) -> "Gcp":
        """For whoever reads its export without asking over HTTP."""
        return cast("Gcp", self.providers["gcp"])

    def service_account(self, name: str) -> str:
        """The text of a key file: demo, second, narrow, empty or revoked."""
        return self.gcp.service_account(name)

    def start(self) -> None:
        if self._running is not None:
            return
        for provider in self.providers.values():
            provider.prepare()
        self.receivers.start()
        self._running = _Running(self.providers, self.receivers)
        self.receivers.tell(self.address)

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self.receivers.stop()
            self._running = None

    @property
    def address(self) -> str:
        if self._running is None:
            raise Unavailable("the sandbox is not started")
        return self._running.address

    def stand_in(self, settings: Settings) -> Settings:
        """The same service with the sandbox's providers and receivers in the place of real ones."""
        return self.receivers.stand_in(settings.asking_at(self.endpoints), self.address)

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Where providers are asked while this sandbox runs, as `Settings.asking_at` takes it."""
        address = self.address
        return {to: url for name, provider in self.providers.items() for to, url in provider.endpoints(f"{address}/{name}").items()}


class _Server(uvicorn.Server):
    """Says when it listens, and leaves the process's signals to the service it stands beside."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class _Quiet(logging.Filter):
    """Uvicorn has one logger for all its servers: the service's log would tell of two starts and two addresses."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.threadName != THREAD or record.levelno >= logging.WARNING


class _Running:
    def __init__(self, providers: Mapping[str, SandboxProvider], receivers: Receivers) -> None:
        self._quiet = _Quiet()
        logging.getLogger("uvicorn.error").addFilter(self._quiet)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # any free port: several services and tests run side by side on a machine
        self._socket.bind((LOOPBACK, 0))
        self.address = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"
        app = Router({name: provider.app for name, provider in providers.items()}, dict.fromkeys(PATHS, receivers.app))
        self._server = _Server(
            # without log_config=None uvicorn would set up logging anew for the whole process
            uvicorn.Config(
                app, lifespan="off", log_config=None, access_log=False, loop="asyncio", http="h11", ws="none", timeout_graceful_shutdown=1
            )
        )
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._server.run, args=([self._socket],), name=THREAD, daemon=True)]
        self._threads += [
            threading.Thread(target=provider.prepare_more, args=(self._stopping,), daemon=True) for provider in providers.values()
        ]
        for thread in self._threads:
            thread.start()
        if not self._server.listening.wait(PATIENCE_SECONDS):
            raise Unavailable("the sandbox did not start to listen on loopback")

    def stop(self) -> None:
        self._stopping.set()
        self._server.should_exit = True
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        self._socket.close()
        logging.getLogger("uvicorn.error").removeFilter(self._quiet)
