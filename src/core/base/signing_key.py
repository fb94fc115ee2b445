"""The private key of a service account, loaded so that no key holds the interpreter.

The library that loads it keeps every other thread out meanwhile: to prove the primes of a key of 8192 bits takes it seconds, and of
other algorithms it computes what a customer's numbers ask for. So a key is refused by its length and its algorithm before it is loaded,
its primes are not proven, and that its parts belong together is seen by a signature.
"""

import re
from base64 import b64decode
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from src.core.base.faults import Flaw, Rejected

LEAST_BITS: Final = 2048  # every key Google makes has these; a shorter one was made by hand
MOST_BITS: Final = 4096  # with each bit more, to load it and to sign with it takes longer
LONGEST: Final = 4000  # characters; a key of 4096 bits has 3,272, and with line ends of two characters some more
MOST_EXPONENT: Final = 2**32  # Google's is 65537; the longer it is, the longer takes a signature
PEM: Final = re.compile(r"\s*-----BEGIN (RSA )?PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END (?:RSA )?PRIVATE KEY-----\s*", re.ASCII)
# version 0 and rsaEncryption, as PKCS#8 begins for a key of such a length
RSA_INSIDE: Final = re.compile(rb"0\x82..\x02\x01\x000\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", re.DOTALL)
PROOF: Final = b"the parts of this key belong together"
BROKEN: Final = "cannot be loaded: it is cut short or was changed"
OTHER: Final = f"must be an RSA key of {LEAST_BITS} to {MOST_BITS} bits, as Google makes them"


def signing_key(pem: str) -> RSAPrivateKey:
    if len(pem) > LONGEST:
        raise _refused(f"is longer than {LONGEST} characters: a key of {MOST_BITS} bits, the most that is taken, is shorter")
    found = PEM.fullmatch(pem)
    if found is None:
        raise _refused(BROKEN)
    try:
        der = b64decode(found[2])
    except ValueError:
        raise _refused(BROKEN) from None
    # a key of another kind is refused before the library computes with its numbers
    if not found[1] and not RSA_INSIDE.match(der):
        raise _refused(OTHER)
    try:
        key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _refused(BROKEN) from None
    if not isinstance(key, RSAPrivateKey) or not LEAST_BITS <= key.key_size <= MOST_BITS:
        raise _refused(OTHER)
    if key.public_key().public_numbers().e >= MOST_EXPONENT:
        raise _refused(f"has a public exponent of {MOST_EXPONENT} or more, which no key of Google's has")
    if not _whole(key):
        raise _refused(BROKEN)
    return key


def _whole(key: RSAPrivateKey) -> bool:
    try:
        key.public_key().verify(key.sign(PROOF, PKCS1v15(), hashes.SHA256()), PROOF, PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature):
        return False
    return True


def _refused(why: str) -> Rejected:
    return Rejected(f"the private key of this service account {why}; download a new JSON key", flaws=[Flaw(why, "credential.private_key")])
