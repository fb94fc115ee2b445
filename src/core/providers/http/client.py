"""Asks providers over HTTP: bounded in time and size, never redirected, and with a failure for every way it can go wrong."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn, Self
from urllib.parse import urlsplit

import httpx2

from src.core.base.faults import Misconfigured, StepFailed, Timeout, Unavailable
from src.core.base.names import is_loopback
from src.core.base.redaction import redacted_text
from src.core.base.retry_after import retry_after
from src.core.providers.http.auth import Auth

LONGEST_BODY = 10 * 1024 * 1024
# enough for any sentence; a page of HTML that came in place of one is cut
LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    body: Any
    """What its JSON says, its fractions as decimals, digit for digit; None when it is something else."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - the statuses of success

    def retry_after(self, now: datetime) -> float | None:
        return retry_after(self.headers, now)


class BodyTooLarge(StepFailed):
    """It was not read to its end; less may be asked for."""

    def __init__(self, detail: str, size: int | None) -> None:
        super().__init__(detail)
        self.size = size
        """As the answer says; None where it does not."""


class Http:
    """One provider's client, for one run: nothing of it is shared with another. `stays` asks no other machine than this one.

    Once it is `given_up`, nothing more is asked: a thread cannot be stopped, and would go on through all that is left to ask.
    """

    def __init__(
        self,
        provider: str,
        timeout: float,
        *,
        limit: int = LONGEST_BODY,
        stays: bool = False,
        given_up: threading.Event | None = None,
    ) -> None:
        self.provider = provider
        self._timeout = timeout
        self._limit = limit
        self._stays = stays
        self._given_up = given_up
        self._clients: dict[bool, httpx2.Client] = {}
        self._making = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.close()

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int | Sequence[str | int]] | None = None,
        form: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        limit: int | None = None,
        reads: Callable[[bytes], Any] | None = None,
    ) -> HttpAnswer:
        """A parameter with several values stands in the address once for each; no parameters leave the address as it is.

        `reads` makes the body of a success out of its bytes, of which there are `limit` at most.
        """
        place = urlsplit(url).hostname or "nowhere"
        if self._given_up is not None and self._given_up.is_set():
            raise Timeout(f"{place} was not asked any more: {self.provider} took longer than the step may")
        if self._stays and not is_loopback(place):
            raise Misconfigured(f"SANDBOX=true: nothing for {self.provider} is sent to {place}, which is not on this machine")
        # what is not asked for need not be unpacked: a small packed body can stand for gigabytes
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {}), **(auth.headers() if auth else {})}
        with self._failures(place), self._client(place).stream(method, url, headers=sent, params=params or None, data=form) as response:
            text = self._read(response, place, limit or self._limit)
        parse = reads if reads is not None and response.is_success else _parsed
        return HttpAnswer(response.status_code, response.headers, parse(text))

    def _client(self, place: str) -> httpx2.Client:
        """A company's proxy stands between this service and its providers, but never between it and its own machine."""
        outside = not is_loopback(place)
        # threads of one run come first at the same moment, and one that another's takes the place of would never be closed
        with self._making:
            if outside not in self._clients:
                # redirects are not followed: a key in a header of the provider's own choice would go along to wherever they lead
                self._clients[outside] = httpx2.Client(timeout=self._timeout, follow_redirects=False, trust_env=outside, verify=outside)
            return self._clients[outside]

    def _read(self, response: httpx2.Response, place: str, limit: int) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise StepFailed(f"{place} answered a packed body although none was asked for")
        stated = response.headers.get("content-length", "")
        size = int(stated) if stated.isascii() and stated.isdigit() else None
        if size is not None and size > limit:
            raise self._too_large(place, limit, size)
        # the client's own limit is for each piece: a body that comes drop by drop would never reach it
        over = time.monotonic() + self._timeout
        text = bytearray()
        for piece in response.iter_raw():
            text += piece
            if len(text) > limit:
                raise self._too_large(place, limit, size)
            if self._given_up is not None and self._given_up.is_set():
                raise Timeout(f"{place} was not read to its end: {self.provider} took longer than the step may")
            if time.monotonic() > over:
                raise Unavailable(f"{place} took longer than {self._timeout:g} s to answer (PROVIDER_TIMEOUT_SECONDS)")
        return bytes(text)

    def _too_large(self, place: str, limit: int, size: int | None) -> BodyTooLarge:
        return BodyTooLarge(f"{place} answered more than {limit // 1024} KB, which no answer of {self.provider} should take", size)

    @contextmanager
    def _failures(self, place: str) -> Iterator[None]:
        try:
            yield
        except httpx2.TimeoutException:
            raise Unavailable(f"{place} did not answer within {self._timeout:g} s (PROVIDER_TIMEOUT_SECONDS)") from None
        except httpx2.HTTPError as wrong:
            # the text of such an error may quote what was sent
            raise Unavailable(f"{place} could not be reached ({type(wrong).__name__}); nothing was changed") from None


def words(said: object) -> str:
    """What a provider says, fit to be told on: short, printable, and without a secret."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(said))
    text = redacted_text(" ".join(text.split()))
    return text if len(text) <= LONGEST_WORDS else f"{text[:LONGEST_WORDS]}..."


def _parsed(text: bytes) -> Any:
    try:
        # a float would lose the last digits of an amount; NaN and Infinity, which Python reads, are no amounts at all
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
