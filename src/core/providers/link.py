"""What speaks to one provider is handed, for one run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from src.core.base.clock import Clock
from src.core.base.settings import Settings
from src.core.providers.directory import known_providers
from src.core.providers.endpoints import endpoint
from src.core.providers.http.client import Http
from src.core.providers.http.pace import Pace, PaceFacts


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
    pace: Pace

    def endpoint(self, name: str = "api") -> str:
        return endpoint(self.settings, self.provider, name)


@contextmanager
def linked(platform: Platform, provider: str, given_up: threading.Event | None = None) -> Iterator[ProviderLink]:
    settings = platform.settings
    said = known_providers(settings.configs_dir).paces.get(provider)
    pace = Pace(PaceFacts(**said.model_dump()) if said else PaceFacts(), given_up)
    with Http(provider, settings.provider_timeout_seconds, stays=settings.sandbox, given_up=given_up) as http:
        yield ProviderLink(provider, settings, platform.clock, http, pace)
