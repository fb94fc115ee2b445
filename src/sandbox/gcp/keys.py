"""Key files of the sandbox's service accounts, in Google's shape."""

import json
import threading
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from src.core.base.faults import Missing
from src.sandbox.credential_file import laid_once
from src.sandbox.gcp.accounts import SERVICE_ACCOUNTS, ServiceAccount

GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"
ACCOUNT_CERTIFICATES = "https://www.googleapis.com/robot/v1/metadata/x509"
KEY_BITS = 2048
PUBLIC_EXPONENT = 65537


class KeyFiles:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._public: dict[str, tuple[str, RSAPublicKey]] = {}

    def file(self, name: str) -> Path:
        """The key file of a service account, made when there is none yet."""
        account = SERVICE_ACCOUNTS.get(name)
        if account is None:
            raise Missing(f"the sandbox has no service account {name!r}; it has {', '.join(SERVICE_ACCOUNTS)}")
        path = self._folder / f"gcp-{name}.json"
        with self._lock:
            laid_once(path, lambda: json.dumps(_fields(account), indent=2) + "\n")
        return path

    def public(self, account: ServiceAccount) -> tuple[str, RSAPublicKey]:
        """Its key's id, and what verifies what the key signs."""
        if account.name not in self._public:
            fields = json.loads(self.file(account.name).read_text())
            # made here: to prove its primes again takes as long as all else that a start does
            private = load_pem_private_key(fields["private_key"].encode(), None, unsafe_skip_rsa_key_validation=True)
            key = private.public_key()
            if not isinstance(key, RSAPublicKey):
                raise TypeError(f"the key of {account.name} is not an RSA key")
            self._public[account.name] = fields["private_key_id"], key
        return self._public[account.name]


def _fields(account: ServiceAccount) -> dict[str, str]:
    private = generate_private_key(PUBLIC_EXPONENT, KEY_BITS).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "type": "service_account",
        "project_id": account.project,
        "private_key_id": sha256(private).hexdigest()[:40],
        "private_key": private.decode(),
        "client_email": account.email,
        "client_id": str(int(sha256(account.email.encode()).hexdigest(), 16))[:21],
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": GOOGLE_TOKEN_URL,
        "auth_provider_x509_cert_url": CERTIFICATES,
        "client_x509_cert_url": f"{ACCOUNT_CERTIFICATES}/{account.email.replace('@', '%40')}",
        "universe_domain": "googleapis.com",
    }
