"""Who asks: the bearer of a token, over HTTP and gRPC alike. And what fails here because a test wants it to."""

import threading
from collections.abc import Collection
from typing import Literal

from src.sandbox.gcp.problems import NARROW_SCOPE, RATE_LIMIT, UNAUTHENTICATED, UNAVAILABLE, Failed, GoogleProblem
from src.sandbox.gcp.tokens import Bearer, Tokens

TROUBLES = {"rateLimitExceeded": RATE_LIMIT, "unavailable": UNAVAILABLE}
Trouble = Literal["rateLimitExceeded", "unavailable"]


class Gate:
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._lock = threading.Lock()
        self._troubles: list[GoogleProblem] = []

    def trouble(self, kind: Trouble, times: int) -> None:
        with self._lock:
            self._troubles += [TROUBLES[kind]] * times

    def admit(self, authorization: str, scopes: Collection[str]) -> Bearer:
        """The bearer, if the token is of one of these scopes at least."""
        with self._lock:
            trouble = self._troubles.pop(0) if self._troubles else None
        if trouble is not None:
            raise Failed(trouble)
        scheme, _, token = authorization.partition(" ")
        bearer = self._tokens.bearer(token) if scheme.lower() == "bearer" else None
        if bearer is None:
            raise Failed(UNAUTHENTICATED)
        if not bearer.scopes & set(scopes):
            raise Failed(NARROW_SCOPE)
        return bearer
