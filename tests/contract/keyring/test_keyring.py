"""What every keyring keeps. A second one joins by adding its opener to OPENERS."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from src.core.base.faults import Misconfigured, Tampered
from src.core.base.settings import Settings
from src.core.crypto.cloud_keyring import open_keyring
from src.core.crypto.envelope import KEY_ID
from src.core.crypto.keyring import Keyring, WrappedKey
from src.core.crypto.local_keyring import LocalKeyring
from src.core.crypto.moving_keyring import MovingKeyring
from tests.fakes.kms import KEY, FakeKms, serving_kms

DATA_KEY = bytes(range(32))


@pytest.fixture(scope="module")
def kms() -> Iterator[FakeKms]:
    with serving_kms() as serving:
        yield serving


def local(folder: Path, kms: FakeKms) -> Keyring:
    return LocalKeyring.open(folder / "keyring.json", create=True)


def cloud(folder: Path, kms: FakeKms) -> Keyring:
    return open_keyring(Settings(kms_key_name=KEY, kms_url=kms.url, _env_file=None))


def moving(folder: Path, kms: FakeKms) -> Keyring:
    return MovingKeyring(cloud(folder, kms), local(folder, kms))


OPENERS: dict[str, Callable[[Path, FakeKms], Keyring]] = {"local": local, "cloud": cloud, "moving": moving}


@pytest.fixture(params=sorted(OPENERS))
def keyring(request: pytest.FixtureRequest, tmp_path: Path, kms: FakeKms) -> Keyring:
    return OPENERS[request.param](tmp_path, kms)


def test_what_was_wrapped_unwraps(keyring: Keyring) -> None:
    assert keyring.unwrap(keyring.wrap(DATA_KEY, b"acme"), b"acme") == DATA_KEY


def test_wraps_with_the_current_key_and_lists_it(keyring: Keyring) -> None:
    assert keyring.wrap(DATA_KEY, b"").key_id == keyring.current
    assert keyring.current in keyring.key_ids()


def test_key_ids_fit_the_sealed_text(keyring: Keyring) -> None:
    assert all(KEY_ID.fullmatch(key_id) for key_id in keyring.key_ids())


def test_the_same_key_never_wraps_to_the_same_bytes(keyring: Keyring) -> None:
    assert len({keyring.wrap(DATA_KEY, b"").blob for _ in range(50)}) == 50


def test_the_data_key_does_not_show_in_the_blob(keyring: Keyring) -> None:
    assert DATA_KEY[:8] not in keyring.wrap(DATA_KEY, b"").blob


def test_another_bound_text_does_not_unwrap(keyring: Keyring) -> None:
    wrapped = keyring.wrap(DATA_KEY, b"acme")
    with pytest.raises(Tampered):
        keyring.unwrap(wrapped, b"globex")


@pytest.mark.parametrize("mangle", [lambda blob: blob[:-1], lambda blob: blob + b"\0", lambda blob: b"", lambda blob: blob[::-1]])
def test_a_mangled_blob_does_not_unwrap(keyring: Keyring, mangle: Callable[[bytes], bytes]) -> None:
    wrapped = keyring.wrap(DATA_KEY, b"acme")
    with pytest.raises(Tampered):
        keyring.unwrap(WrappedKey(wrapped.key_id, mangle(wrapped.blob)), b"acme")


def test_another_key_id_does_not_unwrap(keyring: Keyring) -> None:
    wrapped = keyring.wrap(DATA_KEY, b"acme")
    with pytest.raises((Tampered, Misconfigured)):
        keyring.unwrap(WrappedKey(f"{wrapped.key_id}1", wrapped.blob), b"acme")


def test_a_missing_key_is_named(keyring: Keyring) -> None:
    wrapped = keyring.wrap(DATA_KEY, b"")
    with pytest.raises(Misconfigured, match="no-such-key"):
        keyring.unwrap(WrappedKey("no-such-key", wrapped.blob), b"")


def test_a_usable_keyring_passes_its_check(keyring: Keyring) -> None:
    keyring.check()


def test_many_threads_wrap_and_unwrap_at_once(keyring: Keyring) -> None:
    def work(number: int) -> set[bytes]:
        bounds = [f"{number}-{turn}".encode() for turn in range(40)]
        return {keyring.unwrap(keyring.wrap(DATA_KEY, bound), bound) for bound in bounds}

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [{DATA_KEY}] * 8
