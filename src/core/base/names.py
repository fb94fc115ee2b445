"""Every name that reaches SQL, a path or a URL is made or checked here."""

import hashlib
import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import ip_address
from typing import NewType
from urllib.parse import urlsplit

from src.core.base.faults import Rejected

OrgSlug = NewType("OrgSlug", str)

SLUG = re.compile(r"[a-z0-9_]{3,50}")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,126}")
TABLE = re.compile(r"[a-z][a-z0-9_]{0,126}")
STEP_ID = re.compile(r"(extract|transform|load|validate|notify|decrypt)_[a-z0-9_]{1,80}")
PS_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
DOCUMENT = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")
API_KEY = re.compile(r"([a-z0-9_]{3,50})_api_([A-Za-z0-9]{16})")

LONGEST_LIKENESS = 127

# A slug becomes a folder, a dataset and a key prefix; these would collide with the platform's own.
RESERVED_SLUGS = frozenset({"organizations", "tenants", "information_schema", "convergence", "dryrun", "onboard", "run", "runs"})


class Environment(StrEnum):
    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def suffix(self) -> str:
        return {"development": "dev", "staging": "stage", "production": "prod"}[self.value]


def org_slug(text: str) -> OrgSlug:
    flaw = slug_flaw(text)
    if flaw:
        raise Rejected(flaw)
    return OrgSlug(text)


def slug_flaw(text: str) -> str | None:
    if not SLUG.fullmatch(text):
        return "org_slug takes 3 to 50 of a-z, 0-9 and _, for example acme_corp"
    if text in RESERVED_SLUGS:
        return f"org_slug {text!r} is reserved; choose another"
    return None


def identifier(text: str) -> str:
    """A table, column or view name that may be put into SQL as it is (still quoted)."""
    # a pattern that ends in $ would let a line break at the end through
    if not IDENTIFIER.fullmatch(text):
        raise Rejected(f"{text[:60]!r} is not a name: letters, digits and _, not starting with a digit, 127 at most")
    return text


def provider_table_flaw(name: str, provider: str) -> str | None:
    """Named after its provider, a table takes no name that another provider's or the pipeline's own will have."""
    if TABLE.fullmatch(name) and name.startswith(f"{provider}_"):
        return None
    return f"{name[:60]} must be snake_case and begin with '{provider}_', as every table of a provider does"


def fingerprint(api_key: str) -> str:
    """Names a key without giving it away: its last four characters and the first eight of its SHA-256."""
    return f"{api_key[-4:]}-{key_hash(api_key)[:8]}"


def key_hash(api_key: str) -> str:
    # unsalted and fast: a key is found by its hash, and is too random to be guessed
    return hashlib.sha256(api_key.encode()).hexdigest()


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    # looking for likeness takes time with the length, and nothing here is named at such length
    if len(wrong) > LONGEST_LIKENESS:
        return ""
    close = get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_flaw(url: str) -> str | None:
    """Why credentials cannot travel to this address; what stands in for a provider on this machine may be asked in clear."""
    try:
        parts = urlsplit(url)
        # a port that is no number is found out only when it is asked for
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or any(letter.isspace() for letter in url):
        return "is no address; write it like https://api.example.com"
    if parts.username is not None or parts.query or parts.fragment:
        return "must be an address alone, without an account, a query or a fragment"
    if parts.scheme == "http" and not is_loopback(host):
        return "must begin with https://, except on this machine: credentials travel to it"
    return None
