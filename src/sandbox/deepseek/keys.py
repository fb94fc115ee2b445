"""Keys of the sandbox's DeepSeek, one an account, and one for every way in which the API may fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from src.sandbox.deepseek.accounts import ACCOUNTS, DEMO, DeepseekAccount
from src.sandbox.key_files import KeysByName, Mood


@dataclass(frozen=True, slots=True)
class DeepseekKey:
    name: str
    account: str = DEMO
    mood: Mood = "well"
    begins: str = "sk-"

    @property
    def owner(self) -> DeepseekAccount:
        return ACCOUNTS[self.account]


MOODS: tuple[Mood, ...] = ("revoked", "throttled", "busy", "spent", "failing", "overloaded", "slow", "webpage", "broken")
KEYS: Mapping[str, DeepseekKey] = {
    one.name: one for one in (*(DeepseekKey(name, name) for name in ACCOUNTS), *(DeepseekKey(mood, mood=mood) for mood in MOODS))
}


class DeepseekKeys(KeysByName[DeepseekKey]):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "deepseek", "DeepSeek", KEYS)
