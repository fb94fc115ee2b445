"""Who exists in the sandbox's Anthropic: organisations and what is with each, their workspaces, people and API keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal

FIRST_DAY = date(2025, 1, 1)
DEMO = "demo"
Paging = Literal["sound", "endless", "cut", "circling"]


@dataclass(frozen=True, slots=True)
class WorkspaceKey:
    name: str
    workspace: str | None
    """None is the default workspace."""
    listed: bool = True
    """Whether it is still on the list of keys."""


@dataclass(frozen=True, slots=True)
class ClaudeMember:
    name: str
    email: str
    role: Literal["admin", "developer", "claude_code_user"]


WORKSPACES = ("support", "data", "research", "legacy")
ARCHIVED: Mapping[str, date] = {"legacy": date(2026, 2, 1)}
MEMBERS = (
    ClaudeMember("Ana", "ana@example.com", "admin"),
    ClaudeMember("Ben", "ben@example.com", "developer"),
    ClaudeMember("Cyd", "cyd@example.com", "claude_code_user"),
)
DELETED_KEY = "deleted"
WORKSPACE_KEYS = (
    WorkspaceKey("live", None),
    WorkspaceKey("bot", "support"),
    WorkspaceKey("nightly", "data"),
    WorkspaceKey("lab", "research"),
    WorkspaceKey("old", "legacy"),
    WorkspaceKey(DELETED_KEY, "data", listed=False),
)


@dataclass(frozen=True, slots=True)
class ClaudeOrganization:
    name: str
    workspaces: tuple[str, ...] = WORKSPACES
    restates: int = 0
    """For so many days a day of use still grows."""
    costs_late: int = 0
    """So many days costs are held back."""
    paging: Paging = "sound"
    """`endless` says on its last page that there are more and names none, `cut` says so on its first page and gives no more,
    `circling` names the first page as the next one. All but the sound one give SHORT_PAGE buckets at most."""
    does: frozenset[str] = frozenset()
    """Work that others do not let Anthropic do: see `ClaudeWork.only`."""
    price: Decimal = Decimal(1)
    """What it pays of the list price."""
    idle: bool = False
    enterprise: bool = False
    """Of Claude Enterprise: the reports of the Console are not for it, and its only workspace has no id."""
    hipaa: bool = False
    """The analytics are not for it, and its parent's leave it out."""
    children: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        digest = sha256(f"anthropic/{self.name}".encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"

    def named(self, kind: str, name: str) -> str:
        """The id of one of its things: the same in every process, and of no other organisation."""
        return f"{kind}_01{sha256(f'anthropic/{self.name}/{kind}/{name}'.encode()).hexdigest()[:22]}"

    def workspace_id(self, name: str | None) -> str | None:
        return name and self.named("wrkspc", name)

    @property
    def default_workspace_id(self) -> str | None:
        """As the analytics name it, who alone do; it is on no list."""
        return None if self.enterprise else self.named("wrkspc", "default workspace")


ORGANIZATIONS: Mapping[str, ClaudeOrganization] = {
    one.name: one
    for one in (
        ClaudeOrganization(DEMO),
        ClaudeOrganization("second", workspaces=("support",)),
        ClaudeOrganization("restated", restates=3),
        ClaudeOrganization("late", costs_late=2),
        ClaudeOrganization("priority", does=frozenset({"priority"})),
        ClaudeOrganization("blocked", does=frozenset({"blocked"})),
        ClaudeOrganization("novel", does=frozenset({"novel"})),
        ClaudeOrganization("discount", price=Decimal("0.85")),
        ClaudeOrganization("idle", workspaces=(), idle=True),
        ClaudeOrganization("enterprise", workspaces=(), enterprise=True),
        ClaudeOrganization("parent", children=("north", "clinic")),
        ClaudeOrganization("north", workspaces=("support", "data")),
        ClaudeOrganization("clinic", workspaces=("support",), hipaa=True),
        ClaudeOrganization("endless", paging="endless"),
        ClaudeOrganization("cut", paging="cut"),
        ClaudeOrganization("circling", paging="circling"),
    )
}


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
