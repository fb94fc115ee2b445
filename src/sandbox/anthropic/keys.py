"""Keys of the sandbox's Anthropic: of every kind that somebody may send, and for every way in which the API may fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from src.sandbox.anthropic.organizations import DEMO, ORGANIZATIONS, ClaudeOrganization
from src.sandbox.key_files import KeysByName, Mood

ADMIN, ORDINARY, ANALYTICS = "sk-ant-admin01-", "sk-ant-api03-", "sk-ant-api04-"


@dataclass(frozen=True, slots=True)
class ClaudeKey:
    name: str
    begins: str = ADMIN
    organization: str = DEMO
    analytics_only: bool = False
    """Made with the scope read:analytics alone."""
    mood: Mood = "well"

    @property
    def owner(self) -> ClaudeOrganization:
        return ORGANIZATIONS[self.organization]


KEYS: Mapping[str, ClaudeKey] = {
    one.name: one
    for one in (
        *(ClaudeKey(name, organization=name) for name in ORGANIZATIONS),
        ClaudeKey("ordinary", ORDINARY),
        ClaudeKey("analytics", ANALYTICS, analytics_only=True),
        ClaudeKey("revoked", mood="revoked"),
        ClaudeKey("throttled", mood="throttled"),
        ClaudeKey("busy", mood="busy"),
        ClaudeKey("spent", mood="spent"),
        ClaudeKey("failing", mood="failing"),
        ClaudeKey("overloaded", mood="overloaded"),
        ClaudeKey("slow", mood="slow"),
        ClaudeKey("webpage", mood="webpage"),
        ClaudeKey("broken", mood="broken"),
    )
}


class AnthropicKeys(KeysByName[ClaudeKey]):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "anthropic", "Anthropic", KEYS)
