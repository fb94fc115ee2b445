"""Google Cloud as an organisation's service account opens it: the key, and the token it is worth."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from src.core.base.clock import Clock
from src.core.base.faults import CredentialRefused, Fault, Flaw, Misconfigured, Rejected, StepFailed, Unavailable
from src.core.base.names import key_hash
from src.core.base.secret import Secret
from src.core.base.signing_key import signing_key
from src.core.providers.gcp.kinds import kind_flaw
from src.core.providers.gcp.refusals import SLOW_DOWN, error_of, refusal, text_at
from src.core.providers.http.client import Http, HttpAnswer
from src.core.providers.http.shapes import NO_JSON

BIGQUERY_READ = "https://www.googleapis.com/auth/bigquery.readonly"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_LIFE = timedelta(hours=1)  # Google refuses assertions that claim more
OUT_OF_TIME = "in a reasonable timeframe"  # of an assertion that was signed by a clock that is off
UNIVERSE = "googleapis.com"
EMAIL = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}@[a-z0-9][a-z0-9.-]{0,200}")
PROJECT = re.compile(r"(?:[a-z0-9.-]{1,200}:)?[a-z][a-z0-9-]{4,61}[a-z0-9]")
KEY_ID = re.compile(r"[A-Za-z0-9_-]{4,128}")
SHAPES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "project_id": (PROJECT, "the id of a project, like acme-billing"),
    "client_email": (EMAIL, "a service account, like reader@acme-billing.iam.gserviceaccount.com"),
    "private_key_id": (KEY_ID, "the id that Google gave the key"),
}
KEPT = ("type", "project_id", "private_key_id", "private_key", "client_email", "client_id", "universe_domain")


@dataclass(frozen=True, slots=True)
class Token:
    text: Secret
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class GcpAccount:
    """A service account's key that was read and could sign."""

    client_email: str
    project_id: str
    key_id: str
    secret: Secret
    """The credential with nothing but the fields that are needed; addresses it names are left out, for they are never followed."""
    fingerprint: str
    _signer: RSAPrivateKey = field(repr=False, compare=False)

    @classmethod
    def parse(cls, credential: Secret) -> Self:
        fields = _fields(credential.reveal())
        flaws = [flaw for name in (*SHAPES, "private_key") for flaw in _field_flaws(name, fields.get(name))]
        if fields.get("universe_domain", UNIVERSE) != UNIVERSE:
            flaws.append(Flaw(f"must be {UNIVERSE}: other clouds of Google are not asked", "credential.universe_domain"))
        if flaws:
            told = ", ".join(f"{flaw.field} {flaw.message}" for flaw in flaws)
            raise Rejected(f"this is not the whole key of a service account: {told}; {_mend(flaws)}", flaws=flaws)
        signer = signing_key(fields["private_key"])
        kept = {name: fields[name] for name in KEPT if isinstance(fields.get(name), str)}
        return cls(
            client_email=fields["client_email"],
            project_id=fields["project_id"],
            key_id=fields["private_key_id"],
            secret=Secret(json.dumps(kept, separators=(",", ":"))),
            fingerprint=f"{fields['private_key_id'][-4:]}-{key_hash(fields['private_key'])[:8]}",
            _signer=signer,
        )

    def token(self, http: Http, token_url: str, clock: Clock, scopes: Sequence[str] = (BIGQUERY_READ,)) -> Token:
        """Asked of the platform's own address, whatever `token_uri` the credential names."""
        now = clock.now()
        assertion = self._assertion(token_url, now, scopes)
        answer = http.ask("POST", token_url, form={"grant_type": GRANT, "assertion": assertion})
        if not answer.ok:
            raise self._refusal(answer, now)
        if answer.body is None:
            raise Unavailable(f"Google's answer to a token for {self.client_email} {NO_JSON}")
        text = text_at(answer.body, "access_token")
        # it goes into a header, whose own check would blame the customer's key for it
        if not text or not text.isascii() or not text.isprintable():
            raise StepFailed("Google's token endpoint answered without an access_token")
        life = answer.body.get("expires_in")
        # no longer than was asked for: a token believed to live on would fail in the midst of a run
        seconds = life if isinstance(life, int) and 0 < life <= TOKEN_LIFE.total_seconds() else TOKEN_LIFE.total_seconds()
        return Token(Secret(text), now + timedelta(seconds=seconds))

    def _assertion(self, audience: str, now: datetime, scopes: Sequence[str]) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        issued = int(now.timestamp())
        claims = {
            "iss": self.client_email,
            "scope": " ".join(scopes),
            "aud": audience,
            "iat": issued,
            "exp": issued + int(TOKEN_LIFE.total_seconds()),
        }
        signed = b".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        return b".".join((signed, _encoded(self._signer.sign(signed, PKCS1v15(), hashes.SHA256())))).decode()

    def _refusal(self, answer: HttpAnswer, now: datetime) -> Fault:
        said, reason = error_of(answer.body)
        if OUT_OF_TIME in said:
            return Misconfigured(f"this machine's clock is wrong, and Google gives no token to {self.client_email}: {said}. Set it right")
        # the token endpoint answers 400 for a key that is gone (invalid_grant): no fault of the request's, and waiting mends nothing
        if answer.status in (400, 401, 403) and reason not in SLOW_DOWN and answer.body is not None:
            return CredentialRefused(
                f"Google refuses this key of {self.client_email}: {said or answer.status}. See in IAM & Admin > Service Accounts that "
                "account and key are enabled and the key was not deleted, and that this machine's clock is right; else make a new key"
            )
        return refusal(answer, now, f"a token for {self.client_email}")


def _fields(text: str) -> dict[str, Any]:
    """The credential's JSON, or why it is not the right kind. Nothing of it is quoted."""
    flaw = kind_flaw(text)
    if flaw is not None:
        raise Rejected(flaw, flaws=[Flaw("is not a service-account key", "credential")])
    fields: dict[str, Any] = json.loads(text)
    return fields


def _field_flaws(name: str, value: object) -> list[Flaw]:
    place = f"credential.{name}"
    if value is None or value == "":
        return [Flaw("is missing", place)]
    if not isinstance(value, str):
        return [Flaw("must be a text", place)]
    if name == "private_key":
        return [Flaw(flaw, place) for flaw in _pem_flaws(value)]
    shape, meant = SHAPES[name]
    return [] if shape.fullmatch(value) else [Flaw(f"must be {meant}", place)]


def _mend(flaws: Sequence[Flaw]) -> str:
    if any("backslash" in flaw.message for flaw in flaws):
        return "send the file as it was downloaded"
    return "send the whole JSON file that IAM & Admin > Service Accounts > Keys > Add key > JSON gives"


def _pem_flaws(pem: str) -> list[str]:
    if "BEGIN ENCRYPTED" in pem or "4,ENCRYPTED" in pem:
        return ["is locked with a passphrase; a key of Google's has none"]
    if "\\n" in pem:
        return ["has a backslash and an n where a line should end: it was escaped twice"]
    if not pem.lstrip().startswith("-----BEGIN "):
        return ["must be a PEM text that begins with -----BEGIN PRIVATE KEY-----"]
    return []


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
