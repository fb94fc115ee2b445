from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from src.core.providers.link import ProviderLink
from src.sandbox.openai.provider import Openai
from src.sandbox.server import Sandbox
from tests.core.providers.linked import asking
from tests.sandbox.conftest import HeldClock, sandboxed


def link_at(address: str, **settings: Any) -> AbstractContextManager[ProviderLink]:
    """Asks there as if it were OpenAI."""
    return asking("openai", address, **settings)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandboxed(tmp_path_factory.mktemp("openai") / "sandbox", HeldClock()) as sandbox:
        yield sandbox


@pytest.fixture
def openai(sandbox: Sandbox) -> Openai:
    provider = sandbox.providers["openai"]
    assert isinstance(provider, Openai)
    return provider


@pytest.fixture
def link(sandbox: Sandbox) -> Iterator[ProviderLink]:
    with link_at(sandbox.endpoints["openai.api"]) as link:
        yield link
