from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from src.app.wiring import Parts
from src.core.base.faults import Fault, Misconfigured
from src.core.base.identity import Actor
from src.core.crypto.local_keyring import LocalKeyring
from src.core.crypto.vault import Binding
from src.core.ledger.tables import channels, keys, kms_keys
from src.core.ledger.tables import credentials as stored_credentials
from src.core.ledger.tables.channels import SealedText
from src.core.ledger.unit import Unit
from src.core.outbox.channels import binding
from src.core.step import api_keys, audit_trail, credentials

PAGE = 500
NEW = "is the new key"
FINISHED = "was made by a rotation that was cut short, which is finished now"
PRIMARY = "is the primary version in Cloud KMS"
SPREADING = "Cloud KMS seals with another version again: a new primary version takes up to three hours to be one everywhere; try later"
Row = TypeVar("Row", bound=tuple[Any, ...])


@dataclass(slots=True)
class Rewrapped:
    key_id: str
    how: str
    moved: int = 0
    unchanged: int = 0
    failed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.key_id} {self.how}; {self.moved} secrets sealed under it, {self.unchanged} were already"


@dataclass(frozen=True, slots=True)
class Sealed:
    """One sealed text of the ledger. `reseal` changes it only from what was read."""

    shown: str
    text: str
    binding: Binding
    reseal: Callable[[Unit, str, str], bool]


def rotate_keyring(parts: Parts) -> Rewrapped:
    """Every sealed secret moved under the key that seals from now on; a keyring file first makes a new one.

    Cloud KMS turns its keys by the schedule it was given, so there only the moving is left. A rotation that was cut short is finished.
    """
    if parts.ledger.missing():
        raise Misconfigured("not bootstrapped: nothing is sealed yet; POST /api/v1/admin/bootstrap with the root key first")
    keyring = parts.vault.keyring
    if not isinstance(keyring, LocalKeyring):
        return _noted(parts, _move_all(parts, keyring.current, PRIMARY))
    finished = _move_all(parts, keyring.current, FINISHED)
    if finished.moved:
        return finished
    key_id = keyring.rotate()
    # before the moving, so that a rotation that is cut short stands in the trail too
    _note(parts, key_id)
    return _move_all(parts, key_id, NEW)


def _noted(parts: Parts, done: Rewrapped) -> Rewrapped:
    if done.moved:
        _note(parts, done.key_id)
    return done


def _note(parts: Parts, key_id: str) -> None:
    with parts.ledger.writing() as unit:
        kms_keys.note_current(unit, key_id, parts.clock.now())
        audit_trail.note(unit, parts, Actor("system"), "keyring.rotate", f"keyring/{key_id}")


def _move_all(parts: Parts, current: str, how: str) -> Rewrapped:
    done = Rewrapped(current, how)
    for sealed in chain(_api_keys(parts), _credentials(parts), _channels(parts)):
        _move(parts, done, sealed)
    return done


def _api_keys(parts: Parts) -> Iterator[Sealed]:
    for key_id, slug, text in _pages(parts, keys.sealed_page):
        yield Sealed(f"key {key_id} of {slug}", text, api_keys.binding(slug, key_id), partial(_with_id, keys.reseal, key_id))


def _credentials(parts: Parts) -> Iterator[Sealed]:
    for credential_id, slug, provider, text in _pages(parts, stored_credentials.sealed_page):
        reseal = partial(_with_id, stored_credentials.reseal, credential_id)
        yield Sealed(f"{provider} credential {credential_id} of {slug}", text, credentials.binding(slug, provider, credential_id), reseal)


def _channels(parts: Parts) -> Iterator[Sealed]:
    for _, texts in _pages(parts, channels.sealed_page):
        for seen in texts:
            shown = f"{seen.column} of channel {seen.channel_id} of {seen.org_slug}"
            yield Sealed(shown, seen.text, binding(seen.org_slug, seen.channel_id, seen.column), partial(_channel_text, seen))


def _channel_text(seen: SealedText, unit: Unit, _old: str, new: str) -> bool:
    return channels.reseal(unit, seen, new)


def _with_id(reseal: Callable[[Unit, str, str, str], bool], record_id: str, unit: Unit, old: str, new: str) -> bool:
    return reseal(unit, record_id, old, new)


def _pages(parts: Parts, read: Callable[[Unit, str | None, int], list[Row]]) -> Iterator[Row]:
    after: str | None = None
    while page := parts.ledger.read(read, after, PAGE):
        yield from page
        # by the last id, not by an offset: a row that goes meanwhile would have another one left out
        after = page[-1][0]


def _move(parts: Parts, done: Rewrapped, sealed: Sealed) -> None:
    try:
        before = parts.vault.key_id(sealed.text)
        if before == done.key_id:
            done.unchanged += 1
            return
        moved = parts.vault.rewrap(sealed.text, sealed.binding)
    except Fault as fault:  # one damaged row must not keep the others under the old key
        if fault.retry:  # it is not the row: the others would fail alike, each after its own wait
            raise
        done.failed.append(f"{sealed.shown}: {fault.detail}")
        return
    if parts.vault.key_id(moved) == before:
        done.failed.append(f"{sealed.shown}: {SPREADING}")
        return
    # what was replaced or removed meanwhile stays as it is now: the older text must not come back
    if parts.ledger.write(sealed.reseal, sealed.text, moved):
        done.moved += 1
