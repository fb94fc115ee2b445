from collections.abc import Mapping
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
        """What can be made ready beforehand; called at every start, in a thread of its own."""
        ...
