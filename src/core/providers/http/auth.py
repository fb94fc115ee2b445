"""How a request says who asks. A key is revealed only while the request that it opens is being made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from src.core.base.faults import Flaw, Rejected
from src.core.base.secret import Secret


class Auth(Protocol):
    def headers(self) -> Mapping[str, str]:
        """Made anew for each request, and kept by nobody."""
        ...


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """A key in a header of the provider's choice, like `x-api-key`."""

    name: str
    key: Secret
    before: str = ""

    def headers(self) -> Mapping[str, str]:
        text = self.key.reveal()
        # the client's own complaint about such a header would quote it
        if not text or not text.isascii() or not text.isprintable() or text != text.strip():
            why = "is empty or has a space around it, a line break or a letter that no key has"
            raise Rejected(f"the key {why}; copy it again, and only it", flaws=[Flaw(why, "credential")])
        return {self.name: f"{self.before}{text}"}


def bearer(token: Secret) -> HeaderKey:
    return HeaderKey("Authorization", token, "Bearer ")
