"""A provider asked at an address of the test's, by a link as a run has it."""

from contextlib import AbstractContextManager
from typing import Any

from src.core.base.settings import Settings
from src.core.providers.link import ProviderLink, linked
from tests.sandbox.conftest import HeldClock


class OnClock:
    """As much of a service as a link takes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = HeldClock()


def asking(provider: str, address: str, **settings: Any) -> AbstractContextManager[ProviderLink]:
    given = Settings(_env_file=None, sandbox=True, **settings).asking_at({f"{provider}.api": address})
    return linked(OnClock(given), provider)
