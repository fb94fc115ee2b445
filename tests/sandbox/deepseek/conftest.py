from collections.abc import Callable, Iterator

import httpx2
import pytest

from src.sandbox.deepseek.provider import Deepseek
from src.sandbox.server import Sandbox

Ask = Callable[..., httpx2.Response]


def deepseek_of(sandbox: Sandbox) -> Deepseek:
    provider = sandbox.providers["deepseek"]
    assert isinstance(provider, Deepseek)
    return provider


def base(sandbox: Sandbox) -> str:
    return sandbox.endpoints["deepseek.api"]


@pytest.fixture(scope="session")
def ask(kept: Sandbox) -> Iterator[Ask]:
    with httpx2.Client(trust_env=False, timeout=60) as http:

        def asked(path: str, key: str = "demo") -> httpx2.Response:
            return http.get(f"{base(kept)}{path}", headers={"Authorization": f"Bearer {deepseek_of(kept).key(key)}"})

        yield asked
