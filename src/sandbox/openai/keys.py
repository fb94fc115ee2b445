"""Keys of the sandbox's OpenAI: of every kind that somebody may send, and for every way in which the API may fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from src.sandbox.key_files import KeysByName, Mood
from src.sandbox.openai.organizations import DEMO, ORGANIZATIONS, Organization

READS_USAGE, READS_MANAGEMENT = "api.usage.read", "api.management.read"
ADMIN = "sk-admin-"


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


class OpenaiKeys(KeysByName[SandboxKey]):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "openai", "OpenAI", KEYS)
