"""Private keys of numbers that no generator gives, written by hand: a library that makes keys would refuse to."""

import math
from base64 import encodebytes
from functools import cache
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.google import key_pair

EXPONENT = 65537
RSA_ENCRYPTION = bytes.fromhex("300d06092a864886f70d0101010500")
Form = Literal["PRIVATE KEY", "RSA PRIVATE KEY"]
FORMS: tuple[Form, ...] = ("PRIVATE KEY", "RSA PRIVATE KEY")


def made_of(form: Form = "PRIVATE KEY", /, **changed: int) -> str:
    """A good key but for these of its numbers."""
    known = key_pair().private_numbers()
    numbers = {
        "n": known.public_numbers.n,
        "e": EXPONENT,
        "d": known.d,
        "p": known.p,
        "q": known.q,
        "dp": known.dmp1,
        "dq": known.dmq1,
        "qi": known.iqmp,
    }
    key = _sequence(*(_integer(number) for number in (0, *{**numbers, **changed}.values())))
    der = key if form == "RSA PRIVATE KEY" else _sequence(_integer(0), RSA_ENCRYPTION, _tagged(4, key))
    return f"-----BEGIN {form}-----\n{encodebytes(der).decode()}-----END {form}-----\n"


@cache
def composite_numbers() -> dict[str, int]:
    """They sign like others, though neither of the two factors is a prime."""
    halves = [rsa.generate_private_key(EXPONENT, 1040).private_numbers() for _ in range(2)]
    p, q = (half.public_numbers.n for half in halves)
    orders = [math.lcm(half.p - 1, half.q - 1) for half in halves]
    d = pow(EXPONENT, -1, math.lcm(*orders))
    return {"n": p * q, "d": d, "p": p, "q": q, "dp": d % orders[0], "dq": d % orders[1], "qi": pow(q, -1, p)}


def _integer(number: int) -> bytes:
    return _tagged(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, b"".join(parts))


def _tagged(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    written = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(written)]) + written + content
