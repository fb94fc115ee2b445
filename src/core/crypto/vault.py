import os
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ValidationError

from src.core.base.faults import Misconfigured, Tampered
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.crypto.envelope import DATA_KEY_BYTES, NONCE_BYTES, Binding, Envelope, parsed
from src.core.crypto.keyring import Keyring
from src.core.crypto.local_keyring import LocalKeyring
from src.core.crypto.moving_keyring import MovingKeyring
from src.core.crypto.owner_file import locked, make_folder, read_owned, write_owned

__all__ = ["Binding", "Vault", "open_vault"]

# Loaded by name, so that Google's client is imported only where Cloud KMS is the keyring.
CLOUD = "src.core.crypto.cloud_keyring"
# asked of the system at once, for each asking costs a call into the kernel
RANDOM_BYTES = DATA_KEY_BYTES + NONCE_BYTES
WITNESS = "sealed_by.json"
CHECKED = Binding(org_slug="convergence", purpose="check", record_id="round-trip")


class Vault:
    """Seals secrets for one organisation, purpose and record each. Safe to share between threads."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    def seal(self, secret: Secret, binding: Binding) -> str:
        bound = binding.framed()
        random = os.urandom(RANDOM_BYTES)
        data_key, nonce = random[:DATA_KEY_BYTES], random[DATA_KEY_BYTES:]
        body = nonce + AESGCM(data_key).encrypt(nonce, secret.reveal().encode(), bound)
        return Envelope(self.keyring.wrap(data_key, bound), body).text()

    def open(self, sealed: str, binding: Binding) -> Secret:
        envelope, bound = parsed(sealed), binding.framed()
        data_key = self.keyring.unwrap(envelope.wrapped, bound)
        try:
            text = AESGCM(data_key).decrypt(envelope.body[:NONCE_BYTES], envelope.body[NONCE_BYTES:], bound)
        except InvalidTag:
            raise Tampered("a sealed secret was changed, or belongs to another organisation, purpose or record") from None
        return Secret(text.decode())

    def rewrap(self, sealed: str, binding: Binding) -> str:
        """The same secret under the current key: only the wrapped data key changes."""
        envelope, bound = parsed(sealed), binding.framed()
        data_key = self.keyring.unwrap(envelope.wrapped, bound)
        return Envelope(self.keyring.wrap(data_key, bound), envelope.body).text()

    def key_id(self, sealed: str) -> str:
        return parsed(sealed).wrapped.key_id

    def check(self) -> None:
        self.keyring.check()
        probe = Secret("what goes in comes out")
        if self.open(self.seal(probe, CHECKED), CHECKED) != probe:
            raise Tampered("the vault does not give back what was put into it")


class _Witness(BaseModel):
    """Lies with the data and says which keyring it was sealed with, without a word of the keys."""

    ring: str
    keyring: str


class Cloud(Protocol):
    def open_keyring(self, settings: Settings) -> Keyring: ...


def open_vault(settings: Settings) -> Vault:
    """Named together, Cloud KMS seals and the keyring file still opens what it sealed before."""
    if not settings.kms_key_name:
        return Vault(_local(settings))
    cloud = cast("Cloud", import_module(CLOUD)).open_keyring(settings)
    if not settings.local_keyring:
        return Vault(cloud)
    if not settings.keyring_path.exists():
        raise Misconfigured(
            f"LOCAL_KEYRING: there is no keyring at {settings.keyring_path}; beside KMS_KEY_NAME it opens what was sealed before: "
            "mount or restore it, or unset it if nothing is sealed with it any more"
        )
    return Vault(MovingKeyring(cloud, _local(settings)))


def _local(settings: Settings) -> LocalKeyring:
    """The keyring file of these settings, made where none is and none can be missing.

    A keyring on a volume that was not mounted looks like a first start. Making a new one then would leave every stored credential shut,
    so the data keeps a witness of the keyring it was sealed with, and a start without that keyring is refused.
    """
    witness_path = settings.data_dir / WITNESS
    witness = _read_witness(witness_path)
    if witness and not settings.keyring_path.exists():
        raise Misconfigured(
            f"LOCAL_KEYRING: there is no keyring at {settings.keyring_path}, and the data in {settings.data_dir} was sealed with "
            f"{witness.keyring}; mount or restore that file. Remove {witness_path} only to give up every stored credential"
        )
    keyring = LocalKeyring.open(settings.keyring_path, create=True)
    if witness and witness.ring != keyring.ring:
        raise Misconfigured(
            f"LOCAL_KEYRING: {settings.keyring_path} is not the keyring the data in {settings.data_dir} was sealed with "
            f"({witness.keyring}); name that one"
        )
    # only now: a witness of a keyring that was never made would refuse every start
    if witness is None:
        _write_witness(witness_path, _Witness(ring=keyring.ring, keyring=str(settings.keyring_path)))
    return keyring


def _read_witness(path: Path) -> _Witness | None:
    try:
        data, _ = read_owned(path)
        return _Witness.model_validate_json(data)
    except FileNotFoundError:
        return None
    except ValidationError as wrong:
        raise Misconfigured(f"{path} cannot be read as the witness of a keyring; restore it from the backup of the data") from wrong


def _write_witness(path: Path, witness: _Witness) -> None:
    make_folder(path.parent)
    with locked(path):
        if not path.exists():
            write_owned(path, witness.model_dump_json(indent=2).encode())
