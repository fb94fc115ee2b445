"""Key-encryption keys in one owner-only file, shared by every process on the machine."""

import os
import secrets
import threading
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from src.core.base.clock import Clock, SystemClock
from src.core.base.faults import Conflict, Misconfigured, Missing, Tampered
from src.core.crypto.envelope import DATA_KEY_BYTES, NONCE_BYTES, TAG_BYTES, framed
from src.core.crypto.keyring import IN_CLOUD, WrappedKey
from src.core.crypto.owner_file import locked, make_folder, read_owned, write_owned

# a rotation by another process is seen after so long, and a look at the file costs every sealing no more than once
LOOK_SECONDS = 1.0
# Another process may wrap with the old key until it looks again, and a slow one a little longer.
SETTLE = timedelta(seconds=5)
WRAPPED_BYTES = NONCE_BYTES + DATA_KEY_BYTES + TAG_BYTES


class _Key(BaseModel):
    # pydantic would quote its input, which is a key
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    made_at: AwareDatetime
    key: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    version: Literal[1] = 1
    ring: str
    current: str
    keys: dict[str, _Key]

    def ciphers(self) -> dict[str, AESGCM]:
        return {key_id: AESGCM(b64decode(key.key, validate=True)) for key_id, key in self.keys.items()}


@dataclass(frozen=True, slots=True)
class _Seen:
    """The file as it was at one look; replaced whole, so readers need no lock."""

    file: _File = field(repr=False)
    ciphers: Mapping[str, AESGCM] = field(repr=False)
    stamp: tuple[int, int, int]


class LocalKeyring:
    def __init__(self, path: Path, seen: _Seen, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._look_again = clock.monotonic() + LOOK_SECONDS
        self._seen = seen
        self._looking = threading.Lock()

    @classmethod
    def open(cls, path: Path, *, create: bool, clock: Clock | None = None) -> Self:
        clock = clock or SystemClock()
        path = path.absolute()
        try:
            seen = _look(path)
        except FileNotFoundError:
            if not create:
                raise Misconfigured(f"there is no keyring at {path}; restore it from its backup, or name the right one") from None
            seen = _create(path, clock.now())
        return cls(path, seen, clock)

    @property
    def ring(self) -> str:
        """Tells this keyring from any other, through every rotation."""
        return self._seen.file.ring

    @property
    def current(self) -> str:
        return self._fresh().file.current

    def key_ids(self) -> tuple[str, ...]:
        return tuple(self._fresh().file.keys)

    def wrap(self, data_key: bytes, bound: bytes) -> WrappedKey:
        seen = self._fresh()
        key_id = seen.file.current
        nonce = os.urandom(NONCE_BYTES)
        return WrappedKey(key_id, nonce + seen.ciphers[key_id].encrypt(nonce, data_key, framed(key_id) + bound))

    def unwrap(self, wrapped: WrappedKey, bound: bytes) -> bytes:
        # a key that is not known may be of a rotation that another process has just made
        cipher = self._seen.ciphers.get(wrapped.key_id) or self._reread().ciphers.get(wrapped.key_id)
        if cipher is None and wrapped.key_id.startswith(IN_CLOUD):
            raise Misconfigured(
                f"KMS_KEY_NAME: this secret was sealed with {wrapped.key_id!r} of Cloud KMS; name that key in KMS_KEY_NAME again"
            )
        if cipher is None:
            raise Misconfigured(
                f"the keyring {self._path} has no key {wrapped.key_id!r}, which this secret was sealed with; restore that keyring"
            )
        if len(wrapped.blob) != WRAPPED_BYTES:
            raise Tampered("a wrapped key does not have the length it was made with")
        try:
            return cipher.decrypt(wrapped.blob[:NONCE_BYTES], wrapped.blob[NONCE_BYTES:], framed(wrapped.key_id) + bound)
        except InvalidTag:
            raise Tampered("a wrapped key was changed, or belongs to another secret") from None

    def check(self) -> None:
        self._reread()

    def rotate(self) -> str:
        """Makes a new key and wraps with it from now on; what the older keys wrapped still opens."""
        with locked(self._path):
            # read under the lock: a key that another has just made must not be written over
            file = self._reread().file
            key_id, key = _new_key(self._clock.now())
            self._write(file.model_copy(update={"current": key_id, "keys": {**file.keys, key_id: key}}))
        return key_id

    def retire(self, key_id: str) -> None:
        """Forgets a key for good: re-wrap everything it wrapped first."""
        with locked(self._path):
            file = self._reread().file
            if key_id not in file.keys:
                raise Missing(f"the keyring has no key {key_id!r}; it has {', '.join(file.keys)}")
            if key_id == file.current:
                raise Conflict(f"{key_id} is the current key; rotate first, re-wrap what it sealed, then retire it")
            settled = file.keys[file.current].made_at + SETTLE
            if self._clock.now() < settled:
                raise Conflict(
                    "the last rotation is only seconds old and another process may still seal with an older key; try again shortly",
                    retry_after=SETTLE.total_seconds(),
                )
            self._write(file.model_copy(update={"keys": {known: key for known, key in file.keys.items() if known != key_id}}))

    def _write(self, file: _File) -> None:
        write_owned(self._path, file.model_dump_json(indent=2).encode())
        self._reread()

    def _fresh(self) -> _Seen:
        """What the file says, at most LOOK_SECONDS ago."""
        if self._clock.monotonic() < self._look_again:
            return self._seen
        try:
            facts = self._path.lstat()
        except OSError as wrong:
            raise Misconfigured(f"the keyring {self._path} cannot be reached: {wrong.strerror}; restore it") from wrong
        if _stamp(facts) != self._seen.stamp:
            return self._reread()
        self._look_again = self._clock.monotonic() + LOOK_SECONDS
        return self._seen

    def _reread(self) -> _Seen:
        with self._looking:
            try:
                seen = _look(self._path)
            except FileNotFoundError:
                raise Misconfigured(f"the keyring {self._path} is gone; restore it from its backup") from None
            self._seen = seen
            self._look_again = self._clock.monotonic() + LOOK_SECONDS
            return seen


def _create(path: Path, now: datetime) -> _Seen:
    make_folder(path.parent)
    with locked(path):
        try:
            # another process may have made it while this one waited for the lock
            return _look(path)
        except FileNotFoundError:
            key_id, key = _new_key(now)
            file = _File(ring=secrets.token_hex(8), current=key_id, keys={key_id: key})
            write_owned(path, file.model_dump_json(indent=2).encode())
            return _look(path)


def _look(path: Path) -> _Seen:
    data, facts = read_owned(path)
    try:
        file = _File.model_validate_json(data)
        ciphers = file.ciphers()
    except (ValidationError, ValueError):
        # The cause is left out: its text could quote a key.
        raise Misconfigured(f"{path} is not a keyring this release can read; restore it from its backup") from None
    if file.current not in ciphers:
        raise Misconfigured(f"{path} names {file.current!r} as its current key and does not hold it; restore it from its backup")
    return _Seen(file, ciphers, _stamp(facts))


def _stamp(facts: os.stat_result) -> tuple[int, int, int]:
    # each writing puts another file there, which the time alone may not tell within one tick of its clock
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _new_key(now: datetime) -> tuple[str, _Key]:
    key_id = f"local-{now:%Y%m%d}-{secrets.token_hex(4)}"
    return key_id, _Key(made_at=now, key=b64encode(AESGCM.generate_key(bit_length=256)).decode())
