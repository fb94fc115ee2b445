import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.core.base.faults import Misconfigured, Tampered
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.crypto import local_keyring
from src.core.crypto.envelope import framed, parsed
from src.core.crypto.local_keyring import LocalKeyring
from src.core.crypto.vault import WITNESS, Binding, Vault, open_vault

ACME = Binding("acme", "openai", "7")
FOREIGN = [
    Binding("globex", "openai", "7"),
    Binding("acme", "anthropic", "7"),
    Binding("acme", "openai", "8"),
    Binding("acmeo", "penai", "7"),
]
TEXTS = st.text(max_size=200)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> LocalKeyring:
    return LocalKeyring.open(tmp_path_factory.mktemp("keys") / "keyring.json", create=True)


@pytest.fixture(scope="module")
def vault(keyring: LocalKeyring) -> Vault:
    return Vault(keyring)


def flips(text: str) -> Iterator[str]:
    """The text with each bit of each of its bytes turned over once; what is no longer UTF-8 could not come out of the store."""
    data = text.encode()
    for place in range(len(data) * 8):
        turned = bytearray(data)
        turned[place // 8] ^= 1 << place % 8
        try:
            yield turned.decode()
        except UnicodeDecodeError:
            yield turned.decode("latin-1")


@given(text=TEXTS, org=TEXTS, purpose=TEXTS, record=TEXTS)
def test_what_was_sealed_opens(vault: Vault, text: str, org: str, purpose: str, record: str) -> None:
    binding = Binding(org, purpose, record)
    assert vault.open(vault.seal(Secret(text), binding), binding) == Secret(text)


@given(st.lists(TEXTS, max_size=4), st.lists(TEXTS, max_size=4))
def test_no_two_bindings_are_framed_alike(one: list[str], other: list[str]) -> None:
    assert (framed(*one) == framed(*other)) == (one == other)


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_sealed_row_copied_elsewhere_does_not_open(vault: Vault, foreign: Binding) -> None:
    sealed = vault.seal(Secret("s3cret"), ACME)
    with pytest.raises(Tampered):
        vault.open(sealed, foreign)
    with pytest.raises(Tampered):
        vault.rewrap(sealed, foreign)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(max_size=40))
def test_one_flipped_bit_anywhere_does_not_open(vault: Vault, text: str) -> None:
    for damaged in flips(vault.seal(Secret(text), ACME)):
        with pytest.raises(Tampered):
            vault.open(damaged, ACME)


@given(st.one_of(st.text(), st.from_regex(r"v1\.[A-Za-z0-9_.-]*", fullmatch=True)))
def test_any_other_text_is_tampered_and_never_a_crash(vault: Vault, text: str) -> None:
    for act in (vault.open, vault.rewrap):
        with pytest.raises(Tampered):
            act(text, ACME)
    with pytest.raises(Tampered):
        vault.key_id(text)


def test_parts_of_two_sealed_texts_do_not_mix(vault: Vault) -> None:
    one, other = (parsed(vault.seal(Secret("same"), ACME)) for _ in range(2))
    mixed = type(one)(one.wrapped, other.body).text()
    with pytest.raises(Tampered):
        vault.open(mixed, ACME)


def test_the_same_secret_never_seals_alike_nor_shows(vault: Vault) -> None:
    sealed = {vault.seal(Secret("sk-plain-as-day"), ACME) for _ in range(20)}
    assert len(sealed) == 20
    assert not any("plain" in text for text in sealed)


def test_rewrap_moves_to_the_new_key_and_leaves_the_body(tmp_path: Path) -> None:
    ring = LocalKeyring.open(tmp_path / "keyring.json", create=True)
    vault = Vault(ring)
    sealed = vault.seal(Secret("s3cret"), ACME)
    rotated = ring.rotate()
    rewrapped = vault.rewrap(sealed, ACME)
    assert (vault.key_id(rewrapped), parsed(rewrapped).body) == (rotated, parsed(sealed).body)
    assert vault.open(rewrapped, ACME) == vault.open(sealed, ACME) == Secret("s3cret")


def test_a_key_that_was_retired_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_keyring, "SETTLE", timedelta(0))
    ring = LocalKeyring.open(tmp_path / "keyring.json", create=True)
    vault = Vault(ring)
    sealed = vault.seal(Secret("s3cret"), ACME)
    ring.rotate()
    ring.retire(vault.key_id(sealed))
    with pytest.raises(Misconfigured, match=vault.key_id(sealed)):
        vault.open(sealed, ACME)


def test_a_vault_over_another_keyring_opens_nothing(vault: Vault, tmp_path: Path) -> None:
    other = Vault(LocalKeyring.open(tmp_path / "keyring.json", create=True))
    with pytest.raises(Misconfigured):
        other.open(vault.seal(Secret("s3cret"), ACME), ACME)


def test_a_usable_vault_passes_its_check(vault: Vault) -> None:
    vault.check()


def made(tmp_path: Path, **changes: object) -> Settings:
    known: dict[str, object] = {"embedded_data_dir": tmp_path / "data", "local_keyring": tmp_path / "keys" / "keyring.json"}
    return Settings.model_validate({**known, **changes})


def test_a_first_start_makes_the_keyring_and_its_witness(tmp_path: Path) -> None:
    first = open_vault(made(tmp_path))
    sealed = first.seal(Secret("s3cret"), ACME)
    assert json.loads((tmp_path / "data" / WITNESS).read_text())["keyring"] == str(tmp_path / "keys" / "keyring.json")
    assert open_vault(made(tmp_path)).open(sealed, ACME) == Secret("s3cret")


def test_without_a_name_the_keyring_lies_beside_the_data(tmp_path: Path) -> None:
    open_vault(made(tmp_path, local_keyring=None))
    assert (tmp_path / "data" / "keyring.json").exists()


def test_a_keyring_that_went_away_is_not_made_anew(tmp_path: Path) -> None:
    open_vault(made(tmp_path))
    (tmp_path / "keys" / "keyring.json").unlink()
    with pytest.raises(Misconfigured, match="mount or restore"):
        open_vault(made(tmp_path))
    assert not (tmp_path / "keys" / "keyring.json").exists()


def test_another_keyring_in_its_place_is_refused(tmp_path: Path) -> None:
    open_vault(made(tmp_path))
    LocalKeyring.open(tmp_path / "other" / "keyring.json", create=True)
    with pytest.raises(Misconfigured, match="is not the keyring"):
        open_vault(made(tmp_path, local_keyring=tmp_path / "other" / "keyring.json"))


def test_a_keyring_that_was_rotated_is_still_the_one(tmp_path: Path) -> None:
    open_vault(made(tmp_path))
    LocalKeyring.open(tmp_path / "keys" / "keyring.json", create=False).rotate()
    open_vault(made(tmp_path)).check()


def test_a_link_named_in_the_settings_is_refused(tmp_path: Path) -> None:
    LocalKeyring.open(tmp_path / "real" / "keyring.json", create=True)
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / "keyring.json").symlink_to(tmp_path / "real" / "keyring.json")
    with pytest.raises(Misconfigured, match="symbolic link"):
        open_vault(made(tmp_path))
