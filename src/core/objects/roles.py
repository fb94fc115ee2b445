"""A role of an organisation in AWS, assumed by the platform's own key under an external id.

The external id is the platform's and another for each organisation. Without it, who knows the name of somebody else's role could have the
platform read with it.
"""

import re
import threading
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit
from xml.etree.ElementTree import Element, ParseError, fromstring

import httpx2

from src.core.base.clock import Clock
from src.core.base.faults import CredentialRefused, Fault, Misconfigured, Rejected, StepFailed, Throttled, Unavailable
from src.core.base.names import is_loopback
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.objects.keys import AwsKeys
from src.core.objects.opening import address_of
from src.core.objects.sigv4 import signed_headers

ROLE = re.compile(r"arn:aws(-cn|-us-gov)?:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
NAMESPACE = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/"}
LASTS_SECONDS = 3600
AHEAD = timedelta(minutes=10)
"""Before they lapse keys are made anew: more than the longest request that is signed with them."""
LONGEST_ANSWER = 64 * 1024
OWN_KEY_REFUSED = frozenset({"InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "IncompleteSignature"})
SLOW_DOWN = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded"})


class AssumedRole:
    """Gives its keys, the same until shortly before they lapse."""

    def __init__(self, settings: Settings, clock: Clock, *, role: str, external_id: str, session: str, region: str) -> None:
        """`session` is how the platform's calls are called in the organisation's own trail."""
        if not ROLE.fullmatch(role):
            raise Rejected(f"{role[:100]!r} is no role of AWS; write it like arn:aws:iam::123456789012:role/convergence")
        if not EXTERNAL_ID.fullmatch(external_id) or not SESSION.fullmatch(session):
            raise Rejected(
                "a role is assumed under an external id of 2 to 1224 letters, digits and +=,.@:/- and a session's name of 2 to 64"
            )
        self._settings = settings
        self._clock = clock
        self._role = role
        self._form = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": session,
            "ExternalId": external_id,
            "DurationSeconds": str(LASTS_SECONDS),
        }
        self._region = region
        self._held: AwsKeys | None = None
        self._making = threading.Lock()

    def __call__(self) -> AwsKeys:
        with self._making:
            if self._held is None or self._held.until is None or self._clock.now() > self._held.until - AHEAD:
                self._held = self._assume()
            return self._held

    def _assume(self) -> AwsKeys:
        url = address_of(self._settings, self._settings.sts_url.replace("{region}", self._region), "STS_URL") + "/"
        body = urlencode(self._form).encode()
        headers = signed_headers(url, body, self._own(), region=self._region, service="sts", at=self._clock.now())
        status, answer = self._ask(url, body, dict(headers))
        if status != httpx2.codes.OK:
            raise self._fault(status, _text(answer, "sts:Error/sts:Code") if answer is not None else "")
        until = _text(answer, ".//sts:Expiration")
        secret, token = (_text(answer, f".//sts:{name}") for name in ("SecretAccessKey", "SessionToken"))
        key = _text(answer, ".//sts:AccessKeyId")
        if not (key and secret and token and until):
            raise StepFailed("AWS STS answered without keys of the role")
        return AwsKeys(key, Secret(secret), Secret(token), datetime.fromisoformat(until))

    def _own(self) -> AwsKeys:
        key, secret = self._settings.platform_aws_access_key_id, self._settings.platform_aws_secret_access_key
        if key is None or secret is None:
            raise Misconfigured("PLATFORM_AWS_ACCESS_KEY_ID is not set: the platform has no key of its own to assume roles of AWS with")
        return AwsKeys(key, Secret(secret.get_secret_value()))

    def _ask(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, Element | None]:
        outside = not is_loopback(urlsplit(url).hostname or "")
        timeout = self._settings.object_timeout_seconds
        try:
            with (
                httpx2.Client(timeout=timeout, follow_redirects=False, trust_env=outside) as client,
                client.stream("POST", url, content=body, headers={**headers, "accept-encoding": "identity"}) as answer,
            ):
                text = bytearray()
                for piece in answer.iter_raw():
                    text += piece
                    if len(text) > LONGEST_ANSWER:
                        raise StepFailed("AWS STS answered more than any answer of it takes")
                return answer.status_code, _parsed(bytes(text))
        except httpx2.HTTPError as wrong:
            raise Unavailable(f"AWS STS could not be reached ({type(wrong).__name__})") from None

    def _fault(self, status: int, code: str) -> Fault:
        told = f"AWS STS answered {status}" + (f" ({code})" if code else "")
        if code in OWN_KEY_REFUSED:
            return Misconfigured(f"{told} to the platform's own key: mend PLATFORM_AWS_ACCESS_KEY_ID and its secret, or the clock")
        if code in SLOW_DOWN or status == httpx2.codes.TOO_MANY_REQUESTS:
            return Throttled(told)
        if code == "RegionDisabledException":
            return Rejected(f"{told}: AWS STS is not active in {self._region} for the account; activate it there")
        if code == "AccessDenied":
            return CredentialRefused(
                f"{told}: the platform may not assume {self._role}. Its trust policy must let the platform's account in, "
                "under the external id that the platform has shown"
            )
        return Unavailable(told) if status >= httpx2.codes.INTERNAL_SERVER_ERROR else StepFailed(told)


def _parsed(text: bytes) -> Element | None:
    try:
        return fromstring(text)  # noqa: S314 - 64 kB at most, and from AWS at an address of the platform's own
    except ParseError:
        return None


def _text(answer: Element | None, path: str) -> str:
    found = answer.find(path, NAMESPACE) if answer is not None else None
    return (found.text or "").strip() if found is not None else ""
