"""Sealing a 2.4 kB credential beside bare AES-256-GCM, alternating in one process.

The vault answers text, so the bare cipher is timed twice: as the bytes it makes, and with the base64url every text column needs.
"""

import os
import resource
import statistics
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from src.core.base.secret import Secret
from src.core.crypto.local_keyring import LocalKeyring
from src.core.crypto.vault import Binding, Vault

CREDENTIAL = "c" * 2400
ROUND = 3_000
PAIRS = 15


def per_call(act: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(ROUND):
        act()
    return (time.process_time() - started) / ROUND


def main() -> int:
    cipher, plain, secret = AESGCM(AESGCM.generate_key(bit_length=256)), CREDENTIAL.encode(), Secret(CREDENTIAL)
    binding = Binding("acme_corp", "gcp", "01993f2a6b7c")
    with tempfile.TemporaryDirectory() as folder:
        vault = Vault(LocalKeyring.open(Path(folder) / "keyring.json", create=True))
        sealed = vault.seal(secret, binding)

        def bare() -> bytes:
            nonce = os.urandom(12)
            return nonce + cipher.encrypt(nonce, plain, None)

        acts: dict[str, Callable[[], object]] = {
            "bare AES-GCM": bare,
            "bare AES-GCM as text": lambda: urlsafe_b64encode(bare()).decode(),
            "vault.seal": lambda: vault.seal(secret, binding),
            "vault.open": lambda: vault.open(sealed, binding),
        }
        times: dict[str, list[float]] = {name: [] for name in acts}
        for turn in range(PAIRS + 1):
            for name, act in acts.items():
                spent = per_call(act)
                if turn:  # the first turn warms up
                    times[name].append(spent)
    median = {name: statistics.median(spent) for name, spent in times.items()}
    for name, spent in median.items():
        print(f"{name:22} {spent * 1e6:7.2f} us CPU  {1 / spent:10,.0f} per second")
    for anchor in ("bare AES-GCM", "bare AES-GCM as text"):
        print(f"seal against {anchor:22} {median[anchor] / median['vault.seal']:.2f}x")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
