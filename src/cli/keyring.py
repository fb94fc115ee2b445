from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TypeVar

from src.app.wiring import Parts
from src.core.base.faults import Fault, Misconfigured
from src.core.base.identity import Actor
from src.core.crypto.local_keyring import LocalKeyring
from src.core.crypto.vault import Binding
from src.core.ledger import credentials as stored_credentials
from src.core.ledger import keys, kms_keys
from src.core.ledger.unit import Unit
from src.core.step import api_keys, credentials, trail

PAGE = 500
Row = TypeVar("Row", bound=tuple[str, ...])


@dataclass(slots=True)
class Rewrapped:
    key_id: str
    rotated: bool = False
    moved: int = 0
    unchanged: int = 0
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sealed:
    """One sealed text of the ledger. `reseal` changes it only from what was read."""

    shown: str
    text: str
    binding: Binding
    reseal: Callable[[Unit, str, str], bool]


def rotate_keyring(parts: Parts) -> Rewrapped:
    """A new key-encryption key, and every sealed secret moved under it; a rotation that was cut short is finished instead."""
    keyring = parts.vault.keyring
    if not isinstance(keyring, LocalKeyring):
        raise Misconfigured("this keyring rotates its keys itself; only a local keyring is rotated here")
    if parts.ledger.missing():
        raise Misconfigured("not bootstrapped: nothing is sealed yet; POST /api/v1/admin/bootstrap with the root key first")
    finished = _move_all(parts, keyring.current)
    if finished.moved:
        return finished
    key_id = keyring.rotate()
    with parts.ledger.writing() as unit:
        kms_keys.note_current(unit, key_id, parts.clock.now())
        trail.note(unit, parts, Actor("system"), "keyring.rotate", f"keyring/{key_id}")
    done = _move_all(parts, key_id)
    done.rotated = True
    return done


def _move_all(parts: Parts, current: str) -> Rewrapped:
    done = Rewrapped(current)
    for sealed in chain(_api_keys(parts), _credentials(parts)):
        _move(parts, done, sealed)
    return done


def _api_keys(parts: Parts) -> Iterator[Sealed]:
    for key_id, slug, text in _pages(parts, keys.sealed_page):
        yield Sealed(f"key {key_id} of {slug}", text, api_keys.binding(slug, key_id), partial(_with_id, keys.reseal, key_id))


def _credentials(parts: Parts) -> Iterator[Sealed]:
    for credential_id, slug, provider, text in _pages(parts, stored_credentials.sealed_page):
        reseal = partial(_with_id, stored_credentials.reseal, credential_id)
        yield Sealed(f"{provider} credential {credential_id} of {slug}", text, credentials.binding(slug, provider, credential_id), reseal)


def _with_id(reseal: Callable[[Unit, str, str, str], bool], record_id: str, unit: Unit, old: str, new: str) -> bool:
    return reseal(unit, record_id, old, new)


def _pages(parts: Parts, read: Callable[[Unit, str | None, int], list[Row]]) -> Iterator[Row]:
    after: str | None = None
    while page := parts.ledger.read(read, after, PAGE):
        yield from page
        after = page[-1][0]


def _move(parts: Parts, done: Rewrapped, sealed: Sealed) -> None:
    try:
        if parts.vault.key_id(sealed.text) == done.key_id:
            done.unchanged += 1
            return
        moved = parts.vault.rewrap(sealed.text, sealed.binding)
    except Fault as fault:  # one damaged row must not keep the others under the old key
        done.failed.append(f"{sealed.shown}: {fault.detail}")
        return
    if parts.ledger.write(sealed.reseal, sealed.text, moved):
        done.moved += 1
