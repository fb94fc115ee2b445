"""Cloud KMS over gRPC as Google's client meets it: symmetric keys, their versions, its checksums and its refusals."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import google_crc32c
import grpc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.cloud.kms_v1.types.service import DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse

from tests.fakes.running import free_port

KEY = "projects/acme-platform/locations/europe-west1/keyRings/convergence/cryptoKeys/credentials"
SERVICE = "google.cloud.kms.v1.KeyManagementService"
NONCE_BYTES = 12
NUMBER_BYTES = 4


@dataclass
class Version:
    cipher: AESGCM
    state: str = "ENABLED"


@dataclass
class FakeKms:
    """`fail` is answered instead of anything else while it is set; `failures` bounds how often."""

    keys: dict[str, dict[int, Version]] = field(default_factory=dict)
    primary: dict[str, int] = field(default_factory=dict)
    fail: tuple[grpc.StatusCode, str] | None = None
    failures: int | None = None
    delay: float = 0.0
    denied: set[str] = field(default_factory=set)
    damage: str | None = None
    named: str | None = None
    calls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rotate(self, key: str = KEY) -> str:
        """A new version, primary from now on."""
        versions = self.keys.setdefault(key, {})
        number = len(versions) + 1
        versions[number] = Version(AESGCM(AESGCM.generate_key(bit_length=256)))
        self.primary[key] = number
        return self.version(number, key)

    def version(self, number: int, key: str = KEY) -> str:
        return f"{key}/cryptoKeyVersions/{number}"

    def put(self, state: str, number: int = 1, key: str = KEY) -> None:
        self.keys[key][number].state = state

    def encrypt(self, request: EncryptRequest, context: grpc.ServicerContext) -> EncryptResponse:
        self._meet(request.name, "useToEncrypt", context)
        self._same(request.plaintext, request.plaintext_crc32c, "plaintext", context)
        bound = request.additional_authenticated_data
        self._same(bound, request.additional_authenticated_data_crc32c, "additional_authenticated_data", context)
        number = self.primary[request.name]
        cipher = self._enabled(request.name, number, context)
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = number.to_bytes(NUMBER_BYTES) + nonce + cipher.encrypt(nonce, request.plaintext, bound)
        answer = EncryptResponse(
            name=self.named or self.version(number, request.name),
            ciphertext=ciphertext,
            ciphertext_crc32c=google_crc32c.value(ciphertext),
            verified_plaintext_crc32c=self.damage != "unverified plaintext",
            verified_additional_authenticated_data_crc32c=self.damage != "unverified bound text",
        )
        if self.damage == "answer":
            answer.ciphertext = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
        return answer

    def decrypt(self, request: DecryptRequest, context: grpc.ServicerContext) -> DecryptResponse:
        self._meet(request.name, "useToDecrypt", context)
        text, bound = request.ciphertext, request.additional_authenticated_data
        self._same(text, request.ciphertext_crc32c, "ciphertext", context)
        self._same(bound, request.additional_authenticated_data_crc32c, "additional_authenticated_data", context)
        number = int.from_bytes(text[:NUMBER_BYTES])
        if number not in self.keys[request.name]:
            _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "Decryption failed: the ciphertext is invalid.")
        cipher = self._enabled(request.name, number, context)
        sealed = text[NUMBER_BYTES:]
        try:
            plaintext = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
        except (InvalidTag, ValueError):
            _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "Decryption failed: verify that 'name' refers to the correct CryptoKey.")
        answer = DecryptResponse(
            plaintext=plaintext, plaintext_crc32c=google_crc32c.value(plaintext), used_primary=number == self.primary[request.name]
        )
        if self.damage == "answer":
            answer.plaintext = bytes(len(plaintext))
        return answer

    def _meet(self, name: str, act: str, context: grpc.ServicerContext) -> None:
        with self.lock:
            self.calls += 1
            failing = self.fail is not None and self.failures != 0
            if failing and self.failures is not None:
                self.failures -= 1
        if self.delay:
            time.sleep(self.delay)
        if failing and self.fail is not None:
            _refuse(context, *self.fail)
        if name in self.denied:
            detail = f"Permission 'cloudkms.cryptoKeyVersions.{act}' denied on resource '{name}' (or it may not exist)."
            _refuse(context, grpc.StatusCode.PERMISSION_DENIED, detail)
        if name not in self.keys:
            _refuse(context, grpc.StatusCode.NOT_FOUND, f"CryptoKey {name} not found.")

    def _same(self, data: bytes, checksum: int | None, name: str, context: grpc.ServicerContext) -> None:
        if self.damage == "request" or checksum != google_crc32c.value(data):
            detail = f"The checksum in field {name}_crc32c did not match the data in field {name}."
            _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, detail)

    def _enabled(self, key: str, number: int, context: grpc.ServicerContext) -> AESGCM:
        version = self.keys[key][number]
        if version.state != "ENABLED":
            detail = f"{self.version(number, key)} is not enabled, current state is: {version.state}."
            _refuse(context, grpc.StatusCode.FAILED_PRECONDITION, detail)
        return version.cipher


def _refuse(context: grpc.ServicerContext, code: grpc.StatusCode, detail: str) -> NoReturn:
    context.abort(code, detail)
    raise AssertionError("abort raises")


@contextmanager
def serving_kms(kms: FakeKms | None = None) -> Iterator[FakeKms]:
    """With one key and its first version. Stopped and served again it keeps its keys and its port."""
    kms = kms or FakeKms()
    if not kms.keys:
        kms.rotate()
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([_handlers(kms)])
    kms.port = kms.port or free_port()
    server.add_insecure_port(f"127.0.0.1:{kms.port}")
    server.start()
    try:
        yield kms
    finally:
        server.stop(0).wait()


def _handlers(kms: FakeKms) -> Any:
    methods = {
        "Encrypt": grpc.unary_unary_rpc_method_handler(kms.encrypt, EncryptRequest.deserialize, EncryptResponse.serialize),
        "Decrypt": grpc.unary_unary_rpc_method_handler(kms.decrypt, DecryptRequest.deserialize, DecryptResponse.serialize),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)
