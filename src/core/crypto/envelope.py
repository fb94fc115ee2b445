"""The sealed text: `v1.<key id>.<wrapped data key>.<body>`, the last two in unpadded base64url.

What is authenticated, and by what:
  body          AES-256-GCM under a data key of its own; bound to the version and the binding
  wrapped key   by the keyring, bound to its key id, the version and the binding
  key id        also by a checksum before the wrapped key, so that a damaged id is told apart from a key that is missing
The body knows nothing of the key that wraps its data key, so a rotation rewrites the wrapped key alone.
"""

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass
from functools import lru_cache

from src.core.base.faults import Tampered
from src.core.crypto.keyring import WrappedKey

VERSION = "v1"
# the length that GCM takes as it is; any other is hashed first
NONCE_BYTES = 12
# AES-256
DATA_KEY_BYTES = 32
TAG_BYTES = 16
CHECKSUM_BYTES = 4
TO_URL = bytes.maketrans(b"+/", b"-_")
# The two letters of plain base64 are turned into what no alphabet has, so that a text has one spelling only.
FROM_URL = bytes.maketrans(b"-_+/", b"+/!!")
# Wide enough for a Cloud KMS resource name, whose project may hold dots and colons.
KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:/.-]{0,511}")


@dataclass(frozen=True, slots=True)
class Binding:
    """Whose secret this is. The same three must be named to open it."""

    org_slug: str
    purpose: str
    record_id: str

    def framed(self) -> bytes:
        return framed(VERSION, self.org_slug, self.purpose, self.record_id)


@dataclass(frozen=True, slots=True)
class Envelope:
    wrapped: WrappedKey
    body: bytes

    def text(self) -> str:
        key_id = self.wrapped.key_id
        return f"{VERSION}.{key_id}.{_encoded(checksum(key_id) + self.wrapped.blob)}.{_encoded(self.body)}"


def framed(*fields: str) -> bytes:
    """Each field after its length, so that no two lists of fields give the same bytes."""
    return "".join([f"{len(field)}:{field}" for field in fields]).encode()


def parsed(sealed: str) -> Envelope:
    version, _, rest = sealed.partition(".")
    # from the right: a key id may have dots in it
    fields = rest.rsplit(".", 2)
    if version != VERSION or len(fields) != 3 or not KEY_ID.fullmatch(fields[0]):  # noqa: PLR2004 - key id, wrapped key, body
        raise Tampered("this is not a sealed text, or its first letters were changed")
    key_id, wrapped, body = fields[0], _decoded(fields[1]), _decoded(fields[2])
    if wrapped[:CHECKSUM_BYTES] != checksum(key_id) or len(body) < NONCE_BYTES + TAG_BYTES:
        raise Tampered("a sealed text was damaged: its key id or its length is not what was sealed")
    return Envelope(WrappedKey(key_id, wrapped[CHECKSUM_BYTES:]), body)


# the same few keys seal everything, and each opening asks
@lru_cache(maxsize=64)
def checksum(key_id: str) -> bytes:
    return hashlib.sha256(framed(VERSION, key_id)).digest()[:CHECKSUM_BYTES]


def _encoded(data: bytes) -> str:
    return b2a_base64(data, newline=False).rstrip(b"=").translate(TO_URL).decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        standard = text.encode("ascii").translate(FROM_URL) + b"=" * (-len(text) % 4)
        data = a2b_base64(standard, strict_mode=True)
    except ValueError:
        raise Tampered("a sealed text was damaged: part of it is not base64url") from None
    # The last letter has bits that carry nothing; a text that opens must be the very text that was sealed.
    if b2a_base64(data[-(len(data) % 3 or 3) :], newline=False) != standard[-4:]:
        raise Tampered("a sealed text was damaged: part of it is not as it was written")
    return data
