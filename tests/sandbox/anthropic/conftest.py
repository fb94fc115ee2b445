from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from anthropic import Anthropic as AnthropicClient

from src.sandbox.anthropic.provider import Anthropic
from src.sandbox.server import Sandbox

Ask = Callable[..., httpx2.Response]
BETAS = "fast-mode-2026-02-01,analytics-usage-cost-2026-08-24"


def keys_of(sandbox: Sandbox) -> Anthropic:
    provider = sandbox.providers["anthropic"]
    assert isinstance(provider, Anthropic)
    return provider


def base(sandbox: Sandbox) -> str:
    return sandbox.endpoints["anthropic.api"]


def asker(sandbox: Sandbox, http: httpx2.Client) -> Ask:
    """A list is sent as `name[]`."""

    def asked(path: str, key: str = "demo", betas: str = BETAS, **params: Any) -> httpx2.Response:
        headers = {"x-api-key": keys_of(sandbox).key(key), "anthropic-version": "2023-06-01", "anthropic-beta": betas}
        named = {f"{name}[]" if isinstance(value, list) else name: value for name, value in params.items()}
        return http.get(f"{base(sandbox)}/v1/organizations/{path}", params=named, headers=headers)

    return asked


@pytest.fixture(scope="session")
def ask(kept: Sandbox) -> Iterator[Ask]:
    with httpx2.Client(trust_env=False, timeout=60) as http:
        yield asker(kept, http)


@pytest.fixture(scope="session")
def client(kept: Sandbox) -> Iterator[Callable[[str], AnthropicClient]]:
    """Anthropic's own, with a key of the sandbox."""
    with ExitStack() as open_ones:

        def made(key: str = "demo") -> AnthropicClient:
            http = open_ones.enter_context(httpx2.Client(trust_env=False))
            return AnthropicClient(api_key=keys_of(kept).key(key), base_url=base(kept), max_retries=0, http_client=http)

        yield made
