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
class Agreed:
    """What an organisation pays of a model's list price, from a moment on."""

    model: str
    """As price lists call it."""
    since: datetime
    share: Decimal


@dataclass(frozen=True, slots=True)
class Organization:
    name: str
    projects: tuple[str, ...] = PROJECTS
    restates: int = 0
    """For so many days a day of use still grows."""
    costs_late: int = 0
    """So many days costs are held back: with 2 those of yesterday are told tomorrow, when its use was told today."""
    fine_costs: bool = True
    """Whether costs may be asked for by key, since COSTS_BY_KEY_SINCE, and by user and project at once."""
    cursors: Cursors = "sound"
    """What is wrong with paging: `endless` says on its last page that there are more and names none, `cut` says so on its first page
    and gives no more, `circling` names the first page as the next one. All but the sound one give SHORT_PAGE buckets at most."""
    novelties: bool = False
    """Whether it uses a model that no price list has, and a key that is on no list of keys."""
    price: Decimal = Decimal(1)
    """What it pays of the list price."""
    agreed: tuple[Agreed, ...] = ()

    def pays(self, model: str, at: int) -> Decimal:
        """Of the list price of a model, at a moment in Unix seconds."""
        shares = [one.share for one in self.agreed if one.model == model and one.since.timestamp() <= at]
        return self.price * (shares[-1] if shares else 1)

    @property
    def id(self) -> str:
        return self.named("org", self.name)

    def named(self, kind: str, name: str) -> str:
        """The id of one of its things: the same in every process, and of no other organisation."""
        return f"{kind}_{sha256(f'{self.name}/{kind}/{name}'.encode()).hexdigest()[:24]}"


# inside a day, and the second inside an hour: neither day nor hour tells what was used before and after
NOON = Agreed("gpt-6.1-sol", datetime(2026, 11, 11, 12, tzinfo=UTC), Decimal("0.6"))
WITHIN_AN_HOUR = Agreed("gpt-5.4", datetime(2026, 11, 12, 18, 50, tzinfo=UTC), Decimal("0.5"))
ORGANIZATIONS: Mapping[str, Organization] = {
    one.name: one
    for one in (
        Organization(DEMO),
        Organization("second", projects=("default", "data")),
        Organization("restated", restates=3),
        Organization("late", costs_late=2),
        Organization("coarse", fine_costs=False),
        Organization("novel", novelties=True),
        Organization("discount", price=Decimal("0.85")),
        Organization("midday", agreed=(NOON, WITHIN_AN_HOUR)),
        Organization("idle", projects=()),
        Organization("endless", cursors="endless"),
        Organization("cut", cursors="cut"),
        Organization("circling", cursors="circling"),
    )
}


def seconds(day: date) -> int:
    """Where it begins, as the API counts time."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
