"""Keys of the sandbox's OpenAI: of every kind that somebody may send, and for every way in which the API may fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Literal

from src.core.base.faults import Missing
from src.sandbox.credential_file import laid_once
from src.sandbox.openai.organizations import DEMO, ORGANIZATIONS, Organization

READS_USAGE, READS_MANAGEMENT = "api.usage.read", "api.management.read"
ADMIN = "sk-admin-"
Mood = Literal["well", "revoked", "throttled", "busy", "failing", "slow", "webpage", "broken"]


@dataclass(frozen=True, slots=True)
class SandboxKey:
    name: str
    begins: str = ADMIN
    organization: str = DEMO
    scopes: tuple[str, ...] = (READS_USAGE, READS_MANAGEMENT)
    lacking: int = 403
    """The status of what its scopes do not allow; the API has answered 401 as well."""
    mood: Mood = "well"

    @property
    def owner(self) -> Organization:
        return ORGANIZATIONS[self.organization]

    @property
    def is_admin(self) -> bool:
        return self.begins == ADMIN


KEYS: Mapping[str, SandboxKey] = {
    one.name: one
    for one in (
        *(SandboxKey(name, organization=name) for name in ORGANIZATIONS),
        SandboxKey("usage-only", scopes=(READS_USAGE,)),
        SandboxKey("narrow", scopes=(READS_MANAGEMENT,)),
        SandboxKey("narrow-401", scopes=(READS_MANAGEMENT,), lacking=401),
        SandboxKey("project", "sk-proj-", scopes=()),
        SandboxKey("service-account", "sk-svcacct-", scopes=()),
        SandboxKey("legacy", "sk-", scopes=()),
        SandboxKey("revoked", mood="revoked"),
        SandboxKey("throttled", mood="throttled"),
        SandboxKey("busy", mood="busy"),
        SandboxKey("failing", mood="failing"),
        SandboxKey("slow", mood="slow"),
        SandboxKey("webpage", mood="webpage"),
        SandboxKey("broken", mood="broken"),
    )
}


class OpenaiKeys:
    """Each in a file of its own, `openai-{name}.txt`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_text: dict[str, SandboxKey] = {}

    def lay(self) -> None:
        self._by_text = {laid_once(self._file(one.name), partial(_new, one.begins)): one for one in KEYS.values()}

    def text(self, name: str) -> str:
        if name not in KEYS:
            raise Missing(f"the sandbox has no key {name!r} of OpenAI; it has {', '.join(KEYS)}")
        return self._file(name).read_text()

    def of(self, text: str) -> SandboxKey | None:
        return self._by_text.get(text)

    def _file(self, name: str) -> Path:
        return self._folder / f"openai-{name}.txt"


def _new(begins: str) -> str:
    return f"{begins}{token_hex(32)}"
