"""Who acts, and for whom. Tenants are minted by authentication and by the queue's claim, nowhere else (a test holds that)."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from src.core.base.dataset_types import dataset_types
from src.core.base.names import Environment, OrgSlug

ActorKind = Literal["root", "org", "system"]


def dataset_name(slug: OrgSlug, environment: Environment) -> str:
    return dataset_types().organization.named(slug, environment)


@dataclass(frozen=True, slots=True)
class Tenant:
    org_slug: OrgSlug
    environment: Environment
    generation: int | None = field(default=None, compare=False)
    """Which holder of the slug is meant; None for whoever has it, or is about to."""

    @property
    def dataset(self) -> str:
        return dataset_name(self.org_slug, self.environment)


class Undertaking(NamedTuple):
    """A request under an Idempotency-Key, and who works on it."""

    undertaking_id: str
    holder: str
    request: str
    """A digest of what is asked for."""
    rebuilds: bool = False
    """Its work may drop the table that it is noted in."""


class Actor(NamedTuple):
    """Who is answerable for a change. `user_id` is what the caller says; it is written down and never trusted."""

    kind: ActorKind
    org_slug: OrgSlug | None = None
    user_id: str | None = None
    key_fingerprint: str | None = None
    request_id: str | None = None
    undertaking: Undertaking | None = None
    """The first audit row of a success is the mark that its work is done."""
