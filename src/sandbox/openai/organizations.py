"""Who exists in the sandbox's OpenAI: organisations and how each misbehaves, their projects, people and API keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal

FIRST_DAY = date(2025, 1, 1)
DEMO = "demo"
Cursors = Literal["sound", "endless", "cut", "circling"]


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """`owner` is a person, or None for a service account, whose use has no `user_id`."""

    name: str
    project: str
    owner: str | None = None
    listed: bool = True


@dataclass(frozen=True, slots=True)
class OrgMember:
    name: str
    email: str
    role: Literal["owner", "reader"]


PROJECTS = ("default", "support", "data", "research", "legacy")
ARCHIVED: Mapping[str, date] = {"legacy": date(2026, 2, 1)}
MEMBERS = (
    OrgMember("Ana", "ana@example.com", "owner"),
    OrgMember("Ben", "ben@example.com", "reader"),
    OrgMember("Cyd", "cyd@example.com", "reader"),
)
LOST_KEY = "lost"
PROJECT_KEYS = (
    ProjectKey("live", "default"),
    ProjectKey("staging", "default", "Ana"),
    ProjectKey("bot", "support"),
    ProjectKey("nightly", "data"),
    ProjectKey("notebook", "data", "Ben"),
    ProjectKey("lab", "research", "Cyd"),
    ProjectKey("old", "legacy", "Ana"),
    ProjectKey(LOST_KEY, "default", listed=False),
)


@dataclass(frozen=True, slots=True)
class Organization:
    name: str
    projects: tuple[str, ...] = PROJECTS
    restates: int = 0
    """For so many days a day of use still grows."""
    costs_late: int = 0
    """So many days later than use costs are told."""
    fine_costs: bool = True
    """Whether costs may be asked for by key, since COSTS_BY_KEY_SINCE, and by user and project at once."""
    cursors: Cursors = "sound"
    """What is wrong with paging: `endless` says on its last page that there are more and names none, `cut` says so on its first page
    and gives no more, `circling` names the first page as the next one. All but the sound one give SHORT_PAGE buckets at most."""
    novelties: bool = False
    """Whether it uses a model that no price list has, and a key that is on no list of keys."""
    price: Decimal = Decimal(1)
    """What it pays of the list price."""

    @property
    def id(self) -> str:
        return self.named("org", self.name)

    def named(self, kind: str, name: str) -> str:
        """The id of one of its things: the same in every process, and of no other organisation."""
        return f"{kind}_{sha256(f'{self.name}/{kind}/{name}'.encode()).hexdigest()[:24]}"


ORGANIZATIONS: Mapping[str, Organization] = {
    one.name: one
    for one in (
        Organization(DEMO),
        Organization("second", projects=("default", "data")),
        Organization("restated", restates=3),
        Organization("late", costs_late=1),
        Organization("coarse", fine_costs=False),
        Organization("novel", novelties=True),
        Organization("discount", price=Decimal("0.85")),
        Organization("endless", cursors="endless"),
        Organization("cut", cursors="cut"),
        Organization("circling", cursors="circling"),
    )
}


def seconds(day: date) -> int:
    """Where it begins, as the API counts time."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
