"""The seeds of the price books: `configs/{provider}/seed/`, of every provider that has one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, Literal

from src.core.base.faults import Flaw, Misconfigured, Missing
from src.core.base.names import did_you_mean
from src.core.base.schema import TableSchema
from src.core.step.prices.rates import D, PlanRate, Rate
from src.core.step.prices.seeds import PriceSeed

BookName = Literal["pricing", "subscriptions"]


@dataclass(frozen=True)
class BookKind(Generic[D]):
    name: BookName
    """As paths have it, and at its end a schema's file, and so the table."""
    rates: type[D]
    subject: str
    """The axis that a path names."""


PRICING: BookKind[Rate] = BookKind("pricing", Rate, "model")
SUBSCRIPTIONS: BookKind[PlanRate] = BookKind("subscriptions", PlanRate, "plan_name")


@dataclass(frozen=True)
class Seed(Generic[D]):
    provider: str
    kind: BookKind[D]
    schema: TableSchema
    rates: Sequence[D]
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of the same models."""

    @property
    def table(self) -> str:
        return self.schema.name


def seeded(configs_dir: Path) -> tuple[str, ...]:
    return tuple(sorted(path.parent.parent.name for path in configs_dir.glob("*/seed/schemas") if path.is_dir()))


def books_of(configs_dir: Path, provider: str) -> tuple[str, ...]:
    """The tables of its price books; none of a provider that has no seed."""
    if provider not in seeded(configs_dir):
        return ()
    return seed_of(configs_dir, provider, PRICING).table, seed_of(configs_dir, provider, SUBSCRIPTIONS).table


def seed_of(configs_dir: Path, provider: str, kind: BookKind[D]) -> Seed[D]:
    known = seeded(configs_dir)
    if provider not in known:
        hint = did_you_mean(provider, known) or f"; these have one: {', '.join(known)}"
        raise Missing(f"{provider} has no price book in this release{hint}")
    found: Seed[D] = _read(configs_dir, provider, kind)
    return found


@lru_cache(maxsize=64)
def _read(configs_dir: Path, provider: str, kind: BookKind[Any]) -> Seed[Any]:
    folder = configs_dir / provider / "seed"
    schemas = sorted((folder / "schemas").glob(f"*_{kind.name}.json"))
    if len(schemas) != 1:
        wrong = Flaw(f"{len(schemas)} files end in _{kind.name}.json, and one is needed", file=f"configs/{provider}/seed/schemas")
        raise Misconfigured(f"the seed of {provider} is wrong", flaws=[wrong])
    seed = _loaded(folder / "data")
    rates: Sequence[Any] = seed.rates if kind.name == PRICING.name else seed.plans
    others = [
        Flaw(f"has a rate of {rate.provider}", "provider", f"configs/{provider}/seed/data") for rate in rates if rate.provider != provider
    ]
    if others:
        raise Misconfigured(f"the seed of {provider} is wrong", flaws=others[:1])
    return Seed(provider, kind, TableSchema.load(schemas[0]), rates, seed.aliases)


@lru_cache(maxsize=16)
def _loaded(folder: Path) -> PriceSeed:
    return PriceSeed.load(folder)
