"""What a secret looks like: the names it travels under and its shape. Logs, audit rows and journals ask here, and nowhere else."""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

from pydantic import SecretStr

from src.core.base.names import API_KEY
from src.core.base.secret import Secret

MASK = "****"
DEEPEST = 6
SECRET_NAME = re.compile(r"key|secret|credential|password|passwd|token|authorization|cookie", re.IGNORECASE)
# These name a secret without giving it away.
OPEN_NAME = re.compile(r"(^|_)(fingerprint|id|ids|name|count|kind|hash_prefix)$", re.IGNORECASE)
# Of what a model reads and writes: counts, which a manifest keeps as texts with all their digits.
COUNT_NAME, COUNT = re.compile(r"(^|_)tokens$", re.IGNORECASE), re.compile(r"-?\d{1,40}(\.\d{1,20})?", re.ASCII)
SECRET_SHAPES = re.compile(
    rf"(?:{API_KEY.pattern}"
    # a key that somebody cut short before it came here: its last characters could be guessed
    r"|[a-z0-9_]{3,50}_api_(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{8,15}"
    r"|(?<![A-Za-z0-9])(?:sk|rk|pk)-[A-Za-z0-9_-]{8,}"
    # with an underscore it may be an organisation's slug, sk_ventures_2024, so a long mixed run of characters is asked for
    r"|(?<![A-Za-z0-9])(?:sk|rk|pk)_(?:[A-Za-z0-9]+[_-]){0,4}(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{16,}"
    r"|(?<![A-Za-z0-9])admin_[A-Za-z0-9_-]{14,}"
    r"|(?<![A-Za-z0-9])xox[a-z]-[A-Za-z0-9-]{8,}"
    r"|(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{30,}"
    r"|(?<![A-Za-z0-9])AKIA[A-Z0-9]{16}"
    r"|(?<![A-Za-z0-9])ya29\.[A-Za-z0-9_.-]{16,}"
    r"|(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    # of webhooks: what signs them, and Slack's addresses, whose path is the secret
    r"|(?<![A-Za-z0-9])whsec_[A-Za-z0-9+/=_-]{8,}"
    r"|(?<=hooks\.slack\.com/)[A-Za-z]+/[A-Za-z0-9/_-]{8,}"
    r"|(?i:\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))",
    re.DOTALL,
)
# A plain search for these is ten times cheaper than the expression, and nearly every line has none of them.
HINTS = (
    "_api_", "sk", "rk", "pk", "admin_", "xox", "AIza", "AKIA", "ya29.", "eyJ", "PRIVATE KEY", "whsec_", "hooks.slack", "earer", "EARER",
)  # fmt: skip


def redacted_text(text: str) -> str:
    for hint in HINTS:
        if hint in text:
            return SECRET_SHAPES.sub(MASK, text)
    return text


@lru_cache(maxsize=2048)
def names_secret(name: str) -> bool:
    return bool(SECRET_NAME.search(name)) and not OPEN_NAME.search(name)


def hidden(name: str, value: object) -> bool:
    """Whether the name alone says that the value is a secret; a number never is, it counts tokens."""
    if not names_secret(name) or value is None or isinstance(value, bool | int | float | Decimal):
        return False
    return not (isinstance(value, str) and COUNT_NAME.search(name) and COUNT.fullmatch(value))


def redacted(value: object, depth: int = 0) -> object:
    """The value as it may be written: plain data only, secrets masked."""
    if isinstance(value, str):
        return redacted_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > DEEPEST or isinstance(value, Secret | SecretStr):
        return MASK
    if isinstance(value, Mapping):
        return {redacted_text(str(name)): redacted_member(str(name), item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, depth + 1) for item in value]
    return redacted_text(str(value))


def redacted_member(name: str, value: object, depth: int = 0) -> object:
    return MASK if hidden(name, value) else redacted(value, depth)
