from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from openai import DefaultHttpx2Client, OpenAI

from src.sandbox.openai.provider import Openai
from src.sandbox.server import Sandbox

Ask = Callable[..., httpx2.Response]


def keys_of(sandbox: Sandbox) -> Openai:
    provider = sandbox.providers["openai"]
    assert isinstance(provider, Openai)
    return provider


def base(sandbox: Sandbox) -> str:
    return f"{sandbox.endpoints['openai.api']}/v1"


@pytest.fixture(scope="session")
def client(kept: Sandbox) -> Iterator[Callable[[str], OpenAI]]:
    """OpenAI's own, with a key of the sandbox."""
    with ExitStack() as open_ones:

        def made(key: str = "demo") -> OpenAI:
            http = open_ones.enter_context(DefaultHttpx2Client(trust_env=False))
            return OpenAI(admin_api_key=keys_of(kept).key(key), base_url=base(kept), max_retries=0, http_client=http)

        yield made


@pytest.fixture(scope="session")
def ask(kept: Sandbox) -> Iterator[Ask]:
    """What the SDK would not send."""
    with httpx2.Client(trust_env=False, timeout=60) as http:

        def asked(path: str, key: str = "demo", **params: Any) -> httpx2.Response:
            authorization = {"Authorization": f"Bearer {keys_of(kept).key(key)}"}
            return http.get(f"{base(kept)}/organization/{path}", params=params, headers=authorization)

        yield asked
