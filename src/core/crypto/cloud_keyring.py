"""Key-encryption keys that never leave Cloud KMS: it wraps and unwraps, under a key of a ring that is this service's own."""

import hmac
import re
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

import google_crc32c
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.kms_v1.services.key_management_service.client import KeyManagementServiceClient
from google.cloud.kms_v1.services.key_management_service.transports.grpc import KeyManagementServiceGrpcTransport
from google.cloud.kms_v1.types.service import DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse

from src.core.base.faults import Misconfigured, Tampered, Unavailable
from src.core.base.settings import Settings
from src.core.crypto.cloud_faults import fault_of
from src.core.crypto.envelope import DATA_KEY_BYTES
from src.core.crypto.keyring import WrappedKey
from src.core.google.access import grpc_channel, platform_credentials

ATTEMPT_SECONDS = 3.0
PAUSES = (0.1, 0.5)  # before the second attempt and before the third and last
SEAL_BYTES = 16
VERSIONS = "/cryptoKeyVersions/"
PROBE = bytes(DATA_KEY_BYTES)
PROBE_BOUND = b"which version is the primary one"
Answer = TypeVar("Answer")


class CloudKeyring:
    """Data keys are asked for anew each time: a version that was disabled opens nothing from then on."""

    def __init__(self, client: KeyManagementServiceClient, key: str) -> None:
        self._client = client
        self._key = key
        self._seen: dict[str, None] = {}
        place, _, name = key.rpartition("/cryptoKeys/")
        # What comes back may call the project by its number.
        self._answers = re.compile(r"projects/[^/]+/" + re.escape(f"{place.split('/', 2)[2]}/cryptoKeys/{name}{VERSIONS}") + r"(\d+)")
        # Any key of the ring, so that another one can take over; never one of another ring, whose owner could make up secrets.
        self._opens = re.compile(re.escape(f"{place}/cryptoKeys/") + r"[A-Za-z0-9_-]+" + VERSIONS + r"\d+")

    @property
    def current(self) -> str:
        """Asked of KMS: it turns its keys by a schedule of its own, and says so to nobody."""
        return self._version(self._encrypt(PROBE, PROBE_BOUND))

    def key_ids(self) -> tuple[str, ...]:
        """Those this process has sealed with; listing all would need a right that is needed for nothing else."""
        return tuple({**self._seen, self.current: None})

    def wrap(self, data_key: bytes, bound: bytes) -> WrappedKey:
        answer = self._encrypt(data_key, bound)
        key_id = self._version(answer)
        return WrappedKey(key_id, _seal(data_key, key_id) + answer.ciphertext)

    def unwrap(self, wrapped: WrappedKey, bound: bytes) -> bytes:
        if not self._opens.fullmatch(wrapped.key_id):
            raise Misconfigured(_foreign(wrapped.key_id, self._key))
        seal, ciphertext = wrapped.blob[:SEAL_BYTES], wrapped.blob[SEAL_BYTES:]
        if not ciphertext:
            raise Tampered("a wrapped key is shorter than any that was made")
        data_key = self._decrypt(wrapped.key_id, ciphertext, bound).plaintext
        if not hmac.compare_digest(seal, _seal(data_key, wrapped.key_id)):
            raise Tampered("a wrapped key is not of the key version that it names")
        return data_key

    def check(self) -> None:
        """Nothing can be told without wrapping: whoever checks wraps and unwraps."""

    def _version(self, answer: EncryptResponse) -> str:
        found = self._answers.fullmatch(answer.name)
        if found is None:
            raise Unavailable(f"KMS_URL: what answers there sealed with {answer.name[:200]!r} instead of {self._key}; nothing was stored")
        key_id = f"{self._key}{VERSIONS}{found[1]}"
        self._seen[key_id] = None
        return key_id

    def _encrypt(self, data_key: bytes, bound: bytes) -> EncryptResponse:
        request = EncryptRequest(
            name=self._key,
            plaintext=data_key,
            plaintext_crc32c=google_crc32c.value(data_key),
            additional_authenticated_data=bound,
            additional_authenticated_data_crc32c=google_crc32c.value(bound),
        )

        def ask() -> EncryptResponse:
            answer = self._asked(self._client.encrypt, request, self._key, opening=False)
            # a data key that is sealed as it was damaged on its way would never open what it encrypted
            arrived = answer.verified_plaintext_crc32c and answer.verified_additional_authenticated_data_crc32c
            if not arrived or answer.ciphertext_crc32c != google_crc32c.value(answer.ciphertext):
                raise Unavailable("what Cloud KMS sealed is not what was sent, or was damaged on its way; nothing was stored, try again")
            return answer

        return _persistently(ask)

    def _decrypt(self, key_id: str, ciphertext: bytes, bound: bytes) -> DecryptResponse:
        request = DecryptRequest(
            # KMS opens by the key alone; the version is told by the ciphertext
            name=key_id.rpartition(VERSIONS)[0],
            ciphertext=ciphertext,
            ciphertext_crc32c=google_crc32c.value(ciphertext),
            additional_authenticated_data=bound,
            additional_authenticated_data_crc32c=google_crc32c.value(bound),
        )

        def ask() -> DecryptResponse:
            answer = self._asked(self._client.decrypt, request, key_id, opening=True)
            if answer.plaintext_crc32c != google_crc32c.value(answer.plaintext):
                raise Unavailable("what Cloud KMS opened was damaged on its way; try again")
            return answer

        return _persistently(ask)

    def _asked(self, call: Callable[..., Answer], request: Any, target: str, *, opening: bool) -> Answer:
        try:
            # the client's own retries would come on top of those of `_persistently`
            return call(request=request, timeout=ATTEMPT_SECONDS, retry=None)
        except GoogleAPICallError as wrong:
            raise fault_of(wrong, target, opening=opening) from wrong


def open_keyring(settings: Settings) -> CloudKeyring:
    if settings.kms_key_name is None:
        raise Misconfigured("KMS_KEY_NAME: name a Cloud KMS key")
    channel = grpc_channel(settings.kms_url, platform_credentials(settings, settings.kms_url))
    return CloudKeyring(KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel)), settings.kms_key_name)


def _persistently(ask: Callable[[], Answer]) -> Answer:
    """Wrapping and unwrapping change nothing at KMS, so each may be asked again."""
    for pause in PAUSES:
        try:
            return ask()
        except Unavailable:
            time.sleep(pause)
    return ask()


def _seal(data_key: bytes, key_id: str) -> bytes:
    """KMS does not say which version opened a text; without this a changed version would pass."""
    return hmac.digest(data_key, key_id.encode(), sha256)[:SEAL_BYTES]


def _foreign(key_id: str, key: str) -> str:
    if VERSIONS in key_id:
        return f"KMS_KEY_NAME: this secret was sealed with {key_id!r}, of another key ring than {key}; name a key of that ring again"
    return (
        f"LOCAL_KEYRING: this secret was sealed with {key_id!r}, a key of a keyring file; name that file beside KMS_KEY_NAME, "
        "then run `python -m src.cli.main rotate-keyring`"
    )
