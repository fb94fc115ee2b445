from dataclasses import dataclass
from typing import Protocol

IN_CLOUD = "projects/"  # as every name in Cloud KMS begins, and no key of a file


@dataclass(frozen=True, slots=True)
class WrappedKey:
    key_id: str
    blob: bytes


class Keyring(Protocol):
    """Holds the key-encryption keys and never hands them out. Called from many threads at once."""

    @property
    def current(self) -> str:
        """The id of the key that wraps from now on."""
        ...

    def wrap(self, data_key: bytes, bound: bytes) -> WrappedKey: ...

    def unwrap(self, wrapped: WrappedKey, bound: bytes) -> bytes:
        """Misconfigured when the key is not here, Tampered when the blob, its key id or `bound` is not what was wrapped."""
        ...

    def key_ids(self) -> tuple[str, ...]: ...

    def check(self) -> None:
        """Raises what would keep wrap or unwrap from working, where that shows without them. `Vault.check` does both after it."""
        ...
