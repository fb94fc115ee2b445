"""One POST to a customer's receiver: bounded in time and size, never redirected, to an address that was checked."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx2

from src.core.base.faults import Unavailable
from src.core.base.redaction import MASK
from src.core.notify.address import AddressGuard, Target, parsed
from src.core.notify.text import one_line

# of an answer only its status counts, and a sentence of why
LONGEST_ANSWER: Final = 64 * 1024
LONGEST_WORDS: Final = 200
USER_AGENT: Final = "Convergence-Notifications/1"


@dataclass(frozen=True, slots=True)
class PostAnswer:
    status: int
    headers: Mapping[str, str]
    words: str
    """What its body says, fit to be told on."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - the statuses of success

    @property
    def redirected(self) -> bool:
        return 300 <= self.status < 400  # noqa: PLR2004 - the statuses that lead elsewhere


class HttpPost:
    def __init__(self, guard: AddressGuard, timeout: float) -> None:
        self._guard = guard
        self._timeout = timeout
        self._tls: ssl.SSLContext | None = None

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> PostAnswer:
        host = parsed(url).host
        try:
            async with asyncio.timeout(self._timeout):
                target = await self._guard.target(url)
                return await self._ask(target, body, {**headers, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        except (TimeoutError, httpx2.TimeoutException):
            raise Unavailable(f"{host} did not answer within {self._timeout:g} s (NOTIFY_TIMEOUT_SECONDS)") from None
        except (httpx2.HTTPError, OSError) as wrong:
            # the text of such an error may quote the address, whose path is the secret of a Slack webhook
            raise Unavailable(f"{host} could not be reached ({type(wrong).__name__})") from None

    async def _ask(self, target: Target, body: bytes, headers: Mapping[str, str]) -> PostAnswer:
        refused: Exception | None = None
        for address in target.addresses:
            try:
                return await self._ask_at(target, address, body, headers)
            except httpx2.ConnectError as wrong:
                refused = wrong
        raise refused or OSError("no address")

    async def _ask_at(self, target: Target, address: str, body: bytes, headers: Mapping[str, str]) -> PostAnswer:
        # a client for each sending: a connection kept would be handed to another receiver at the same address, whose name nobody proved;
        # a proxy of the environment would connect to what it finds by itself, not to what was checked
        trusted = await self._trusted()
        async with httpx2.AsyncClient(verify=trusted, trust_env=False, follow_redirects=False, timeout=self._timeout) as client:
            request = client.build_request(
                "POST",
                target.at(address),
                content=body,
                headers={**headers, "Host": target.url.netloc.decode("ascii")},
                extensions={"sni_hostname": target.url.raw_host.decode("ascii")},
            )
            response = await client.send(request, stream=True)
            try:
                return PostAnswer(response.status_code, response.headers, await _words(response, target.url))
            finally:
                await response.aclose()

    async def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            # read from disk once, which takes longer than a request
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls


async def _words(response: httpx2.Response, asked: httpx2.URL) -> str:
    text = bytearray()
    async for piece in response.aiter_raw():
        text += piece
        if len(text) > LONGEST_ANSWER:
            break
    said = text.decode("utf-8", "replace")
    # a page that names what was asked for would name the secret of a Slack webhook, which is its path
    path = asked.raw_path.decode("ascii")
    return one_line(said.replace(path, MASK) if len(path) > len("/") else said, LONGEST_WORDS)
