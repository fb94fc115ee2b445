import secrets
import string
import time
from typing import Protocol

ALPHABET = string.ascii_letters + string.digits


class Ids(Protocol):
    def new(self) -> str:
        """A unique id that sorts by the time it was made."""
        ...

    def secret(self, length: int) -> str:
        """Letters and digits from the system's random source."""
        ...


class SystemIds:
    def new(self) -> str:
        # 48 bits of milliseconds then 80 random bits, the layout of a UUIDv7 without its dashes and version nibble
        return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"

    def secret(self, length: int) -> str:
        return "".join(secrets.choice(ALPHABET) for _ in range(length))
