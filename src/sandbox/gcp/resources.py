"""What a billing account's projects run: the things that are billed hour after hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from src.sandbox.gcp.accounts import BillingAccount
from src.sandbox.gcp.catalogue import OFFERS, Offer
from src.sandbox.gcp.rows import Labels, Location, Project, Tag

SMALLEST_FLEET = 40
RESOURCES_AT_MOST = 3
TEAMS = ("search", "checkout", "platform", "data")
STAGES = ("prod", "stage", "dev")
PLACES = (
    Location("us-central1", "US", "us-central1", "us-central1-a"),
    Location("us-east4", "US", "us-east4", None),
    Location("europe-west3", "DE", "europe-west3", "europe-west3-b"),
    Location("asia-northeast1", "JP", "asia-northeast1", None),
    Location("us"),
)


@dataclass(frozen=True, slots=True)
class Asset:
    offer: Offer
    project: Project
    place: Location
    labels: Labels
    system_labels: Labels
    tags: tuple[Tag, ...]
    resources: tuple[str, ...]
    price: float


def projects(account: BillingAccount) -> tuple[Project, ...]:
    prefix = account.id[:6].lower()
    return tuple(
        Project(
            f"{name}-{prefix}",
            f"{int(prefix, 16) % 10**6:06d}{position:06d}",
            name.replace("-", " "),
            # `env` is said on the project, on the resource and as a tag, and they need not agree
            (("env", STAGES[position % 3]), ("owner", TEAMS[position % 4])),
            f"{7000 + position % 2}",
        )
        for position, name in enumerate(("shop-prod", "shop-stage", "data-lake", "ml-research", "shared-net"))
    )


def fleet(account: BillingAccount, rows_per_hour: int, seed: str) -> tuple[Asset, ...]:
    chance = Random(f"{seed}|fleet|{account.id}")  # noqa: S311 - reproducible on purpose
    owners = projects(account)
    # with fewer things than rows, an hour would bill one of them twice
    return tuple(_asset(position, owners, chance) for position in range(max(SMALLEST_FLEET, rows_per_hour)))


def _asset(position: int, owners: Sequence[Project], chance: Random) -> Asset:
    offer = OFFERS[position % len(OFFERS)]
    project = owners[(position + position // len(OFFERS)) % len(owners)]
    stage = chance.choice(STAGES)
    labels: Labels = (("env", stage), ("team", chance.choice(TEAMS)), ("workload", f"w{position:05d}")) if position % 4 else ()
    count = 1 + position % RESOURCES_AT_MOST
    names = tuple(f"projects/{project.id}/{offer.resource}/w{position:05d}-{number}" for number in range(count)) if offer.resource else ()
    return Asset(
        offer,
        project,
        PLACES[position % len(PLACES)],
        labels,
        (("compute.googleapis.com/machine_spec", offer.machine), ("compute.googleapis.com/cores", offer.machine.rsplit("-", 1)[1]))
        if offer.machine
        else (),
        (Tag("env", chance.choice(STAGES), position % 2 == 0, "sandbox-org"),) if position % 3 == 0 else (),
        names,
        float(offer.sku.price),
    )
