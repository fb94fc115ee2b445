from collections.abc import Mapping
from threading import Event
from typing import Protocol

from starlette.types import ASGIApp


class SandboxProvider(Protocol):
    """One provider of the sandbox. Its `app` is mounted at /{name}.

    It is made of the sandbox's folder and clock, of `today`, where the date is held still, and of `rows_per_hour`.
    """

    @property
    def app(self) -> ASGIApp: ...

    def endpoints(self, base: str) -> Mapping[str, str]:
        """The addresses that lead here, by their names in PROVIDER_URLS (`acme.api`) or as settings; `base` is this provider's own."""
        ...

    def prepare(self) -> None:
        """Makes what others look for as soon as the sandbox is started."""
        ...

    def prepare_more(self, stopping: Event) -> None:
        """Makes what somebody may look for later, in a thread of its own, until told to stop."""
        ...
