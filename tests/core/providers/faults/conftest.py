"""The service, the sandbox and a proxy between them, started once for all rows."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

import pytest

from src.core.base.settings import Settings, use_settings
from src.core.providers.http import pace
from src.sandbox.anthropic.provider import Anthropic
from src.sandbox.openai.provider import Openai
from tests.core.providers.faults.drives import Drive
from tests.core.providers.faults.table import WireFault
from tests.fakes.billing import StillClock
from tests.fakes.running import ROOT_KEY
from tests.fakes.served import Served, served
from tests.fakes.spoiling_proxy import SpoilingProxy, SpoilRule, spoiling_proxy

TODAY = date(2026, 11, 21)
BEFORE = timedelta(1)
"""A load is of two days."""
SHOWN = timedelta(9)
PATIENT, HASTY = 30.0, 0.5
"""For how many seconds an answer is waited for."""
T = TypeVar("T")


@dataclass
class Faulty:
    acme: Served
    proxy: SpoilingProxy
    theirs: StillClock
    """The clock of the providers, which is right also where the service's is not."""
    run: Callable[[Coroutine[Any, Any, T]], T]
    slept: list[float] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, **params: str) -> tuple[int, dict[str, Any]]:
        answer = self.run(self.acme.ask(method, path, body, **params))
        return answer.status_code, answer.json()

    def validate(self, drive: Drive) -> tuple[int, dict[str, Any]]:
        return self.ask("POST", f"integrations/{{org}}/{drive.provider}/validate")

    def load(self, drive: Drive) -> tuple[int, dict[str, Any]]:
        window = {"start_date": str(self.acme.today - BEFORE), "end_date": str(self.acme.today)}
        return self.ask("POST", f"pipelines/run/{{org}}/{drive.pipeline}", window, wait="true")

    def told(self, drive: Drive) -> dict[str, tuple[str | None, str]]:
        window = {"from": str(TODAY - SHOWN), "to": str(self.theirs.today), "provider": drive.provider}
        _, found = self.ask("GET", "costs/{org}/daily", **window)
        return {row["usage_date"]: (row["net_cost"], row["completeness"]) for row in found["rows"]}

    def stands(self, drive: Drive) -> tuple[str, str | None]:
        """As it is shown, without asking the provider."""
        (found,) = self.ask("GET", f"integrations/{{org}}/{drive.provider}")[1]["credentials"]
        return found["validation_status"], found["validation_error"]

    def a_day_passes(self) -> None:
        self.acme.today += timedelta(1)
        self.theirs.today += timedelta(1)

    @contextmanager
    def meeting(self, row: WireFault, rule: SpoilRule) -> Iterator[None]:
        """Where the row says so the service waits for no answer longer than a moment, or has a clock that is off."""
        self.slept.clear()
        self.acme.today += timedelta(row.clock)
        self.settle(provider_timeout_seconds=HASTY if row.hasty else PATIENT)
        try:
            with self.proxy.spoiling(rule):
                yield
        finally:
            self.acme.today -= timedelta(row.clock)
            self.settle(provider_timeout_seconds=PATIENT)
        # what was never spoiled proves nothing
        assert row.clock or rule.spoilt, row.name

    def through_proxy(self) -> None:
        parts = self.acme.here.parts
        assert parts.sandbox is not None
        led = {to: url.replace(parts.sandbox.address, self.proxy.url) for to, url in parts.sandbox.endpoints.items()}
        self._settle(parts.settings.asking_at(led))

    def settle(self, **settings: Any) -> None:
        self._settle(self.acme.here.parts.settings.model_copy(update=settings))

    def _settle(self, settings: Settings) -> None:
        self.acme.here.parts.settings = settings
        use_settings(settings)

    async def sleep(self, seconds: float) -> None:
        """A step's wait before it tries again is told and not waited for."""
        self.slept.append(seconds)


@pytest.fixture(scope="package")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    with asyncio.Runner() as runner, ExitStack() as closing, pytest.MonkeyPatch.context() as patched:
        # OpenAI's pages are asked for again without a step's help, and nobody waits for that here
        patched.setattr(pace, "FIRST_WAIT", 0.001)
        opened = served(tmp_path_factory.mktemp("faulty"), TODAY)
        acme = runner.run(opened.__aenter__())
        closing.callback(lambda: runner.run(opened.__aexit__(None, None, None)))
        parts, theirs = acme.here.parts, StillClock(TODAY)
        assert parts.sandbox is not None
        for provider, kind in (("openai", Openai), ("anthropic", Anthropic)):
            made_of = parts.sandbox.providers[provider]
            assert isinstance(made_of, kind)
            made_of._clock = theirs
        proxy = closing.enter_context(spoiling_proxy(parts.sandbox.address, theirs))
        made = Faulty(acme, proxy, theirs, runner.run)
        made.through_proxy()
        parts.executor._sleep = made.sleep
        acme.http.headers["X-CA-Root-Key"] = ROOT_KEY
        # more runs of a day than the smallest plan has
        assert made.ask("PUT", "organizations/{org}/subscription", {"plan": "SCALE"})[0] == 200
        del acme.http.headers["X-CA-Root-Key"]
        yield made
