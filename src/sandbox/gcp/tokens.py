"""Google's token endpoint: an assertion signed by a service account, for a token that lasts an hour."""

import base64
import binascii
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from src.core.base.clock import Clock
from src.sandbox.gcp.accounts import SERVICE_ACCOUNTS, ServiceAccount
from src.sandbox.gcp.keys import GOOGLE_TOKEN_URL, KeyFiles

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Google's own: an hour
LIFE = 3600
TOLD_LIFE = 3599  # Google tells one second less than it means
SKEW = 300
JWT_PARTS = 3
AUTH = "https://www.googleapis.com/auth/"
WRITES_BIGQUERY = frozenset({f"{AUTH}bigquery", f"{AUTH}cloud-platform"})
READS_BIGQUERY = WRITES_BIGQUERY | {f"{AUTH}bigquery.readonly", f"{AUTH}cloud-platform.read-only"}
TIMES = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


class TokenRefused(Exception):
    """In the token endpoint's own words: the code, then what it says about it."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error, description)
        self.body = {"error": error, "error_description": description}


@dataclass(frozen=True, slots=True)
class Bearer:
    account: ServiceAccount
    scopes: frozenset[str]
    expires: float


class Tokens:
    def __init__(self, keys: KeyFiles, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._lock = threading.Lock()
        self._given: dict[str, Bearer] = {}

    def bearer(self, token: str) -> Bearer | None:
        """Whose token it is, while it lasts."""
        held = self._given.get(token)
        return held if held and held.expires > self._now() else None

    def grant(self, form: Mapping[str, str], own_address: str) -> dict[str, str | int]:
        if form.get("grant_type") != GRANT:
            raise TokenRefused("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        if not form.get("assertion"):
            raise TokenRefused("invalid_request", "Missing required parameter: assertion")
        # key files name Google's own address, and Google's libraries sign for what those name
        bearer = self._accepted(form["assertion"], (own_address, GOOGLE_TOKEN_URL))
        token = f"ya29.c.{secrets.token_urlsafe(96)}"
        with self._lock:
            # nothing else takes tokens out that have ended
            self._given = {text: held for text, held in self._given.items() if held.expires > self._now()} | {token: bearer}
        return {"access_token": token, "expires_in": TOLD_LIFE, "token_type": "Bearer"}

    def _accepted(self, assertion: str, audiences: tuple[str, ...]) -> Bearer:
        header, claims, signature, signed = _opened(assertion)
        account = next((one for one in SERVICE_ACCOUNTS.values() if one.email == claims.get("iss")), None)
        if account is None:
            raise TokenRefused("invalid_grant", "Invalid grant: account not found")
        self._check_signature(account, header, signature, signed)
        if claims.get("aud") not in audiences:
            raise TokenRefused("invalid_grant", f"Invalid JWT: Failed audience check. The right audience is {GOOGLE_TOKEN_URL}")
        self._check_times(claims)
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes or not all(scope.startswith(AUTH) for scope in scopes):
            raise TokenRefused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        return Bearer(account, scopes, self._now() + LIFE)

    def _check_signature(self, account: ServiceAccount, header: Mapping[str, Any], signature: bytes, signed: bytes) -> None:
        key_id, public = self._keys.public(account)
        # a key that was deleted is one that Google no longer knows: it says the same of all of these
        wrong = TokenRefused("invalid_grant", "Invalid JWT Signature.")
        if header.get("alg") != "RS256" or header.get("kid", key_id) != key_id or account.access == "revoked":
            raise wrong
        try:
            public.verify(signature, signed, PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise wrong from None

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int | float) or not isinstance(expires, int | float):
            raise TokenRefused("invalid_grant", TIMES)
        # Google's own library dates what it signs by the machine's time, whatever day the sandbox is told it is
        timely = any(issued <= now + SKEW and expires >= now - SKEW for now in (self._now(), time.time()))
        if not timely or not 0 < expires - issued <= LIFE:
            raise TokenRefused("invalid_grant", TIMES)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _opened(assertion: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, signature, and the bytes it signs."""
    parts = assertion.split(".")
    try:
        header, claims = (json.loads(_decoded(part)) for part in parts[:2])
        signature = _decoded(parts[-1])
    except (ValueError, binascii.Error):
        raise TokenRefused("invalid_grant", "Bad Request") from None
    if len(parts) != JWT_PARTS or not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenRefused("invalid_grant", "Bad Request")
    return header, claims, signature, f"{parts[0]}.{parts[1]}".encode()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
