"""Makes a root key for CA_ROOT_API_KEY and says how to set it. Needs nothing but Python; stores the key nowhere."""

import secrets
import string
import sys

LENGTH = 43  # letters and digits: 256 bits


def make_key() -> str:
    alphabet = string.ascii_letters + string.digits
    return "admin_" + "".join(secrets.choice(alphabet) for _ in range(LENGTH))


def main() -> int:
    if len(sys.argv) > 1:
        print("generate_admin_key.py takes no arguments", file=sys.stderr)
        return 2
    key = make_key()
    print(key)
    print(f"\nSet it before the service starts; it is shown here only:\n\n    export CA_ROOT_API_KEY={key}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
