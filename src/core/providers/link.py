"""What speaks to one provider is handed, for one run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from src.core.base.clock import Clock
from src.core.base.settings import Settings
from src.core.providers.endpoints import endpoint
from src.core.providers.http.client import Http


class Platform(Protocol):
    """Of the services of a step what a provider needs to know."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True)
class ProviderLink:
    provider: str
    settings: Settings
    clock: Clock
    http: Http

    def endpoint(self, name: str = "api") -> str:
        return endpoint(self.settings, self.provider, name)


@contextmanager
def linked(platform: Platform, provider: str, given_up: threading.Event | None = None) -> Iterator[ProviderLink]:
    settings = platform.settings
    with Http(provider, settings.provider_timeout_seconds, stays=settings.sandbox, given_up=given_up) as http:
        yield ProviderLink(provider, settings, platform.clock, http)
