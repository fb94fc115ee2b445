from collections.abc import Mapping
from threading import Event
from typing import Protocol

from starlette.types import ASGIApp


class Provider(Protocol):
    """One provider of the sandbox. Its `app` is mounted at /{name}."""

    @property
    def name(self) -> str: ...
    @property
    def app(self) -> ASGIApp: ...

    def endpoints(self, base: str) -> Mapping[str, str]:
        """The platform settings that lead here, by name; `base` is this provider's own address."""
        ...

    def prepare(self) -> None:
        """Makes what others look for as soon as the sandbox is started."""
        ...

    def prepare_more(self, stopping: Event) -> None:
        """Makes what somebody may look for later, in a thread of its own, until told to stop."""
        ...
