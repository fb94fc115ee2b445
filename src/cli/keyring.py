from dataclasses import dataclass, field

from src.app.wiring import Parts
from src.core.base.faults import Fault, Misconfigured
from src.core.base.identity import Actor
from src.core.crypto.local_keyring import LocalKeyring
from src.core.ledger import keys, kms_keys
from src.core.step import trail
from src.core.step.api_keys import binding

PAGE = 500


@dataclass(slots=True)
class Rewrapped:
    key_id: str
    rotated: bool = False
    moved: int = 0
    unchanged: int = 0
    failed: list[str] = field(default_factory=list)


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
    after: str | None = None
    while page := parts.ledger.read(keys.sealed_page, after, PAGE):
        for key_id, slug, sealed in page:
            _move(parts, done, key_id, slug, sealed)
        after = page[-1][0]
    return done


def _move(parts: Parts, done: Rewrapped, key_id: str, slug: str, sealed: str) -> None:
    try:
        if parts.vault.key_id(sealed) == done.key_id:
            done.unchanged += 1
            return
        moved = parts.vault.rewrap(sealed, binding(slug, key_id))
    except Fault as fault:  # one damaged row must not keep the others under the old key
        done.failed.append(f"key {key_id} of {slug}: {fault.detail}")
        return
    if parts.ledger.write(keys.reseal, key_id, sealed, moved):
        done.moved += 1
