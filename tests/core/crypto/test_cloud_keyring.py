"""Cloud KMS as keyring, over gRPC with Google's client: what it refuses, what goes missing, and that nothing is lost by it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.api_core.exceptions import PermissionDenied
from google.rpc.error_details_pb2 import ErrorInfo

from src.core.base.faults import Misconfigured, Tampered, Throttled, Unavailable
from src.core.base.secret import Secret
from src.core.base.settings import ROOT, Settings
from src.core.crypto import cloud_keyring
from src.core.crypto.cloud_faults import ROLE, fault_of
from src.core.crypto.envelope import Envelope, parsed
from src.core.crypto.keyring import WrappedKey
from src.core.crypto.vault import WITNESS, Binding, Vault, open_vault
from tests.fakes.kms import KEY, FakeKms, serving_kms

ACME = Binding("acme", "openai", "7")
SECRET = Secret("sk-plain-as-day")
ELSEWHERE = "projects/other/locations/europe-west1/keyRings/convergence/cryptoKeys/credentials"
SUCCESSOR = KEY.replace("/credentials", "/successor")
ATTEMPTS = 3


@pytest.fixture(scope="module")
def server() -> Iterator[FakeKms]:
    with serving_kms() as serving:
        yield serving


@pytest.fixture
def kms(server: FakeKms, monkeypatch: pytest.MonkeyPatch) -> FakeKms:
    """As at first, whatever the test before did to it."""
    fresh = FakeKms()
    server.keys, server.primary, server.denied = {}, {}, set()
    server.fail, server.failures, server.delay = fresh.fail, fresh.failures, fresh.delay
    server.damage, server.named, server.calls = fresh.damage, fresh.named, fresh.calls
    server.rotate()
    monkeypatch.setattr(cloud_keyring, "PAUSES", (0.0, 0.0))
    # an attempt that a busy machine makes late would be one more
    monkeypatch.setattr(cloud_keyring, "ATTEMPT_SECONDS", 60.0)
    return server


def made(tmp_path: Path, kms: FakeKms, **changes: object) -> Settings:
    known: dict[str, object] = {"embedded_data_dir": tmp_path / "data", "kms_key_name": KEY, "kms_url": kms.url}
    return Settings.model_validate({**known, **changes})


@pytest.fixture
def vault(kms: FakeKms, tmp_path: Path) -> Vault:
    return open_vault(made(tmp_path, kms))


def test_what_was_sealed_opens_in_another_process_too(vault: Vault, kms: FakeKms, tmp_path: Path) -> None:
    sealed = vault.seal(SECRET, ACME)
    assert vault.key_id(sealed) == kms.version(1)
    assert open_vault(made(tmp_path, kms)).open(sealed, ACME) == SECRET
    vault.check()


def test_kms_alone_leaves_no_file_behind(vault: Vault, tmp_path: Path) -> None:
    vault.seal(SECRET, ACME)
    assert list(tmp_path.iterdir()) == []


def test_a_changed_byte_anywhere_does_not_open(vault: Vault) -> None:
    data = vault.seal(SECRET, ACME).encode()
    for place in range(len(data)):
        turned = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(Tampered):
            vault.open(turned.decode("latin-1"), ACME)


def test_a_sealed_row_copied_elsewhere_does_not_open(vault: Vault) -> None:
    sealed = vault.seal(SECRET, ACME)
    for foreign in (Binding("globex", "openai", "7"), Binding("acme", "gcp", "7"), Binding("acme", "openai", "8")):
        with pytest.raises(Tampered):
            vault.open(sealed, foreign)


def test_a_version_named_in_place_of_the_one_that_sealed_is_noticed(vault: Vault, kms: FakeKms) -> None:
    envelope = parsed(vault.seal(SECRET, ACME))
    with pytest.raises(Tampered, match="version"):
        vault.open(Envelope(WrappedKey(kms.rotate(), envelope.wrapped.blob), envelope.body).text(), ACME)


def test_a_rotation_shows_and_leaves_what_is_sealed_open(vault: Vault, kms: FakeKms) -> None:
    sealed = vault.seal(SECRET, ACME)
    second = kms.rotate()
    moved = vault.rewrap(sealed, ACME)
    assert (vault.keyring.current, vault.key_id(moved)) == (second, second)
    assert parsed(moved).body == parsed(sealed).body
    kms.put("DISABLED", 1)
    assert vault.open(moved, ACME) == SECRET
    assert set(vault.keyring.key_ids()) == {kms.version(1), second}


def test_another_key_of_the_ring_takes_over(vault: Vault, kms: FakeKms, tmp_path: Path) -> None:
    kms.rotate(SUCCESSOR)
    after = open_vault(made(tmp_path, kms, kms_key_name=SUCCESSOR))
    moved = after.rewrap(vault.seal(SECRET, ACME), ACME)
    assert after.key_id(moved) == kms.version(1, SUCCESSOR)
    assert after.open(moved, ACME) == SECRET


def test_a_key_of_another_ring_is_never_asked(vault: Vault, kms: FakeKms, tmp_path: Path) -> None:
    kms.rotate(ELSEWHERE)
    foreign = open_vault(made(tmp_path, kms, kms_key_name=ELSEWHERE)).seal(SECRET, ACME)
    kms.calls = 0
    with pytest.raises(Misconfigured, match="KMS_KEY_NAME"):
        vault.open(foreign, ACME)
    assert kms.calls == 0


def test_a_project_that_is_answered_by_its_number_is_the_same_key(vault: Vault, kms: FakeKms) -> None:
    kms.named = kms.version(1).replace("acme-platform", "123456789")
    sealed = vault.seal(SECRET, ACME)
    assert vault.key_id(sealed) == kms.version(1)
    assert vault.open(sealed, ACME) == SECRET


@pytest.mark.parametrize("named", ["", SUCCESSOR + "/cryptoKeyVersions/1", KEY, KEY + "/cryptoKeyVersions/1.x"])
def test_an_answer_of_another_key_seals_nothing(vault: Vault, kms: FakeKms, named: str) -> None:
    kms.named = named or "what is this"
    with pytest.raises(Unavailable, match="instead of"):
        vault.seal(SECRET, ACME)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Unavailable),
        (grpc.StatusCode.INTERNAL, Unavailable),
        (grpc.StatusCode.UNKNOWN, Unavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Throttled),
        (grpc.StatusCode.UNAUTHENTICATED, Misconfigured),
        (grpc.StatusCode.UNIMPLEMENTED, Misconfigured),
        (grpc.StatusCode.FAILED_PRECONDITION, Misconfigured),
    ],
)
def test_every_refusal_is_a_fault_and_only_an_outage_is_asked_again(vault: Vault, kms: FakeKms, code: grpc.StatusCode, kind: type) -> None:
    sealed = vault.seal(SECRET, ACME)
    kms.fail, kms.calls = (code, "no"), 0
    for act in (lambda: vault.seal(SECRET, ACME), lambda: vault.open(sealed, ACME)):
        with pytest.raises(kind):
            act()
    assert kms.calls == 2 * (ATTEMPTS if kind is Unavailable else 1)
    kms.fail = None
    assert vault.open(sealed, ACME) == SECRET


def test_an_outage_that_passes_is_not_noticed(vault: Vault, kms: FakeKms) -> None:
    kms.fail, kms.failures = (grpc.StatusCode.UNAVAILABLE, "restarting"), ATTEMPTS - 1
    sealed = vault.seal(SECRET, ACME)
    kms.failures = ATTEMPTS - 1
    assert vault.open(sealed, ACME) == SECRET


def test_a_throttled_caller_is_told_when_to_come_back(vault: Vault, kms: FakeKms) -> None:
    kms.fail = (grpc.StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded")
    with pytest.raises(Throttled) as refused:
        vault.seal(SECRET, ACME)
    assert refused.value.retry_after


def test_a_slow_kms_is_given_up_within_its_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_keyring, "ATTEMPT_SECONDS", 0.05)
    # one of its own: what nobody waits for any more goes on there
    with serving_kms(FakeKms(delay=2.0)) as slow, pytest.raises(Unavailable, match="DEADLINE_EXCEEDED"):
        open_vault(made(tmp_path, slow)).seal(SECRET, ACME)


def test_without_the_role_it_is_named_with_its_key(vault: Vault, kms: FakeKms) -> None:
    sealed = vault.seal(SECRET, ACME)
    kms.denied.add(KEY)
    for act in (lambda: vault.seal(SECRET, ACME), lambda: vault.open(sealed, ACME)):
        with pytest.raises(Misconfigured) as refused:
            act()
        assert ROLE in refused.value.detail
        assert "add-iam-policy-binding credentials --keyring convergence --location europe-west1" in refused.value.detail


def test_a_key_that_is_not_there_is_named_with_how_to_make_it(kms: FakeKms, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=f"no {SUCCESSOR}.*gcloud kms keys create successor"):
        open_vault(made(tmp_path, kms, kms_key_name=SUCCESSOR)).check()


@pytest.mark.parametrize(
    ("state", "sealing", "opening"),
    [
        ("DISABLED", "versions enable 1 --key credentials", "versions enable 1 --key credentials"),
        ("DESTROY_SCHEDULED", "versions restore 1 --key credentials", "versions restore 1 --key credentials"),
        ("DESTROYED", "versions create --key credentials", "lost: store that credential anew"),
    ],
)
def test_a_version_that_is_not_enabled_is_named_with_its_mend(vault: Vault, kms: FakeKms, state: str, sealing: str, opening: str) -> None:
    sealed = vault.seal(SECRET, ACME)
    kms.put(state)
    for act, mend in ((lambda: vault.seal(SECRET, ACME), sealing), (lambda: vault.open(sealed, ACME), opening)):
        with pytest.raises(Misconfigured) as refused:
            act()
        assert f"{kms.version(1)} is {state}" in refused.value.detail
        assert mend in refused.value.detail
    kms.put("ENABLED")
    assert vault.open(sealed, ACME) == SECRET


@pytest.mark.parametrize("damage", ["answer", "request", "unverified plaintext", "unverified bound text"])
def test_what_was_damaged_on_its_way_seals_nothing(vault: Vault, kms: FakeKms, damage: str) -> None:
    kms.damage, kms.calls = damage, 0
    with pytest.raises(Unavailable):
        vault.seal(SECRET, ACME)
    assert kms.calls == ATTEMPTS


@pytest.mark.parametrize("damage", ["answer", "request"])
def test_what_was_damaged_on_its_way_is_not_taken_for_tampering(vault: Vault, kms: FakeKms, damage: str) -> None:
    sealed = vault.seal(SECRET, ACME)
    kms.damage = damage
    with pytest.raises(Unavailable):
        vault.open(sealed, ACME)


def test_no_refusal_shows_a_secret_or_a_data_key(vault: Vault, kms: FakeKms) -> None:
    data_key = b"k" * 32
    for code in grpc.StatusCode:
        if code is grpc.StatusCode.OK:
            continue
        kms.fail = (code, "no")
        with pytest.raises((Misconfigured, Unavailable, Throttled)) as refused:
            vault.keyring.wrap(data_key, ACME.framed())
        assert "kkkk" not in f"{refused.value!r}{refused.value.__cause__!r}"


def test_the_switched_off_service_is_named() -> None:
    denied = fault_of(_denied("SERVICE_DISABLED"), KEY, opening=False)
    assert "gcloud services enable cloudkms.googleapis.com --project acme-platform" in str(denied)


def _denied(reason: str) -> PermissionDenied:
    return PermissionDenied("disabled", error_info=ErrorInfo(reason=reason))


class TestMoving:
    def test_what_the_file_sealed_still_opens_and_moves_under_kms(self, kms: FakeKms, tmp_path: Path) -> None:
        file = tmp_path / "keyring.json"
        before = open_vault(made(tmp_path, kms, kms_key_name=None, local_keyring=file))
        sealed = before.seal(SECRET, ACME)
        both = open_vault(made(tmp_path, kms, local_keyring=file))
        assert both.open(sealed, ACME) == SECRET
        moved = both.rewrap(sealed, ACME)
        assert both.key_id(moved) == both.key_id(both.seal(SECRET, ACME)) == kms.version(1)
        both.check()
        file.unlink()
        (tmp_path / "data" / WITNESS).unlink()
        assert open_vault(made(tmp_path, kms)).open(moved, ACME) == SECRET

    def test_kms_alone_names_the_file_that_is_wanted(self, kms: FakeKms, tmp_path: Path) -> None:
        file = tmp_path / "keyring.json"
        sealed = open_vault(made(tmp_path, kms, kms_key_name=None, local_keyring=file)).seal(SECRET, ACME)
        with pytest.raises(Misconfigured, match=r"LOCAL_KEYRING.*rotate-keyring"):
            open_vault(made(tmp_path, kms)).open(sealed, ACME)

    def test_the_file_alone_names_the_key_that_is_wanted(self, kms: FakeKms, tmp_path: Path) -> None:
        sealed = open_vault(made(tmp_path, kms)).seal(SECRET, ACME)
        with pytest.raises(Misconfigured, match=f"KMS_KEY_NAME.*{KEY}"):
            open_vault(made(tmp_path, kms, kms_key_name=None, local_keyring=tmp_path / "keyring.json")).open(sealed, ACME)

    def test_a_file_that_is_not_there_is_not_made(self, kms: FakeKms, tmp_path: Path) -> None:
        with pytest.raises(Misconfigured, match="LOCAL_KEYRING"):
            open_vault(made(tmp_path, kms, local_keyring=tmp_path / "keyring.json"))
        assert list(tmp_path.iterdir()) == []

    def test_the_witness_is_still_heard(self, kms: FakeKms, tmp_path: Path) -> None:
        open_vault(made(tmp_path, kms, kms_key_name=None, local_keyring=tmp_path / "keyring.json"))
        other = tmp_path / "other.json"
        open_vault(made(tmp_path, kms, kms_key_name=None, local_keyring=other, embedded_data_dir=tmp_path / "elsewhere"))
        with pytest.raises(Misconfigured, match="is not the keyring"):
            open_vault(made(tmp_path, kms, local_keyring=other))


@pytest.mark.process
def test_without_kms_googles_client_is_not_imported() -> None:
    program = (
        "import sys, src.app.wiring, src.core.crypto.vault; print([name for name in sys.modules if name.startswith(('google', 'grpc'))])"
    )
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert out.stdout.strip() == "[]"
