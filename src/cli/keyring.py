from dataclasses import dataclass

from src.app.wiring import Parts
from src.core.base.faults import Misconfigured
from src.core.base.identity import Actor
from src.core.crypto.local_keyring import LocalKeyring
from src.core.ledger import keys, kms_keys
from src.core.step import trail
from src.core.step.api_keys import binding

PAGE = 500


@dataclass(slots=True)
class Rewrapped:
    key_id: str
    rewrapped: int = 0
    unchanged: int = 0


def rotate_keyring(parts: Parts) -> Rewrapped:
    """A new key-encryption key, and every sealed secret moved under it; safe to stop and run again."""
    keyring = parts.vault.keyring
    if not isinstance(keyring, LocalKeyring):
        raise Misconfigured("this keyring rotates its keys itself; only a local keyring is rotated here")
    if parts.ledger.missing():
        raise Misconfigured("not bootstrapped: nothing is sealed yet; POST /api/v1/admin/bootstrap with the root key first")
    done = Rewrapped(keyring.rotate())
    now = parts.clock.now()
    with parts.ledger.writing() as unit:
        kms_keys.note_current(unit, done.key_id, now)
        trail.note(
            unit,
            parts,
            Actor("system"),
            "keyring.rotate",
            f"keyring/{done.key_id}",
        )
    after: str | None = None
    while page := parts.ledger.read(keys.sealed_page, after, PAGE):
        for key_id, slug, sealed in page:
            if parts.vault.key_id(sealed) == done.key_id:
                done.unchanged += 1
                continue
            moved = parts.vault.rewrap(sealed, binding(slug, key_id))
            if parts.ledger.write(keys.reseal, key_id, sealed, moved):
                done.rewrapped += 1
        after = page[-1][0]
    return done
