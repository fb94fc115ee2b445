"""The service, the sandbox and a proxy between them, started once for all rows."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

import pytest

from src.core.base.settings import use_settings
from tests.fakes.served import Served, served
from tests.fakes.spoiling_proxy import SpoilingProxy, spoiling_proxy

TODAY = date(2026, 11, 21)
HASTY_SECONDS = 0.5
T = TypeVar("T")


@dataclass
class Faulty:
    acme: Served
    proxy: SpoilingProxy
    run: Callable[[Coroutine[Any, Any, T]], T]
    slept: list[float] = field(default_factory=list)

    def patience(self, seconds: float) -> None:
        """How long an answer is waited for."""
        self._settle(self.acme.here.parts.settings.model_copy(update={"provider_timeout_seconds": seconds}))

    def through_proxy(self) -> None:
        parts = self.acme.here.parts
        assert parts.sandbox is not None
        led = {to: url.replace(parts.sandbox.address, self.proxy.url) for to, url in parts.sandbox.endpoints.items()}
        self._settle(parts.settings.asking_at(led))

    def _settle(self, settings: Any) -> None:
        self.acme.here.parts.settings = settings
        use_settings(settings)

    async def sleep(self, seconds: float) -> None:
        """A step's wait before it tries again is told and not waited for."""
        self.slept.append(seconds)

    def connected(self, provider: str, file: str) -> None:
        if not self.run(self.acme.found(f"integrations/{{org}}/{provider}"))["credentials"]:
            self.run(self.acme.connect(provider, file))

    def stands(self, provider: str) -> Mapping[str, Any]:
        """As it is shown, without asking the provider."""
        (found,) = self.run(self.acme.found(f"integrations/{{org}}/{provider}"))["credentials"]
        return dict(found)


@pytest.fixture(scope="package")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    with asyncio.Runner() as runner, ExitStack() as closing:
        opened = served(tmp_path_factory.mktemp("faulty"), TODAY)
        acme = runner.run(opened.__aenter__())
        closing.callback(lambda: runner.run(opened.__aexit__(None, None, None)))
        parts = acme.here.parts
        assert parts.sandbox is not None
        proxy = closing.enter_context(spoiling_proxy(parts.sandbox.address, acme.here.clock))
        made = Faulty(acme, proxy, runner.run)
        made.through_proxy()
        parts.executor._sleep = made.sleep
        yield made
