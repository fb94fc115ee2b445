from src.core.crypto.keyring import IN_CLOUD, Keyring, WrappedKey


class MovingKeyring:
    """Wraps with Cloud KMS and still unwraps what a keyring file wrapped before."""

    def __init__(self, now: Keyring, before: Keyring) -> None:
        self._now = now
        self._before = before

    @property
    def current(self) -> str:
        return self._now.current

    def key_ids(self) -> tuple[str, ...]:
        return (*self._now.key_ids(), *self._before.key_ids())

    def wrap(self, data_key: bytes, bound: bytes) -> WrappedKey:
        return self._now.wrap(data_key, bound)

    def unwrap(self, wrapped: WrappedKey, bound: bytes) -> bytes:
        holder = self._now if wrapped.key_id.startswith(IN_CLOUD) else self._before
        return holder.unwrap(wrapped, bound)

    def check(self) -> None:
        self._now.check()
        self._before.check()
