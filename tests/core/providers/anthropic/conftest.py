from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from src.core.base.secret import Secret
from src.core.providers.link import ProviderLink
from src.sandbox.anthropic.provider import Anthropic
from src.sandbox.server import Sandbox
from tests.core.providers.linked import asking
from tests.fakes.google import FakeGoogle
from tests.sandbox.conftest import HeldClock, sandboxed


def link_at(address: str, **settings: Any) -> AbstractContextManager[ProviderLink]:
    """Asks there as if it were Anthropic."""
    return asking("anthropic", address, **settings)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandboxed(tmp_path_factory.mktemp("anthropic") / "sandbox", HeldClock()) as sandbox:
        yield sandbox


@pytest.fixture
def key(sandbox: Sandbox) -> Callable[[str], Secret]:
    provider = sandbox.providers["anthropic"]
    assert isinstance(provider, Anthropic)
    return lambda name: Secret(provider.key(name))


@pytest.fixture
def link(sandbox: Sandbox) -> Iterator[ProviderLink]:
    with link_at(sandbox.endpoints["anthropic.api"]) as link:
        yield link


@pytest.fixture
def scripted(google: FakeGoogle) -> Iterator[ProviderLink]:
    with link_at(google.address) as link:
        yield link
