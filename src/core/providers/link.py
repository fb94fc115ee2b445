"""What speaks to one provider is handed, for one run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from src.core.base.clock import Clock
from src.core.base.settings import Settings
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


@contextmanager
def linked(platform: Platform, provider: str) -> Iterator[ProviderLink]:
    with Http(provider, platform.settings.provider_timeout_seconds) as http:
        yield ProviderLink(provider, platform.settings, platform.clock, http)
