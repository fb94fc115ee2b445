"""The seeds of the price books: `configs/{provider}/seed/`, of every provider that has one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, Literal

from src.core.base.documents import read_text
from src.core.base.faults import Flaw, Misconfigured, Missing, first_flaws
from src.core.base.names import did_you_mean
from src.core.base.schema import TableSchema
from src.core.step.prices.changes import flaws_of
from src.core.step.prices.forms import read_csv
from src.core.step.prices.rates import D, PlanRate, Rate

BookName = Literal["pricing", "subscriptions"]


@dataclass(frozen=True)
class BookKind(Generic[D]):
    name: BookName
    """As paths and files have it: `default_{name}.csv`, and a schema whose file, and so the table, ends in it."""
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

    @property
    def table(self) -> str:
        return self.schema.name


def seeded(configs_dir: Path) -> tuple[str, ...]:
    return tuple(sorted(path.parent.parent.name for path in configs_dir.glob("*/seed/schemas") if path.is_dir()))


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
    shown = f"configs/{provider}/seed/data/default_{kind.name}.csv"
    rates, flaws = read_csv(kind.rates, read_text(folder / "data" / f"default_{kind.name}.csv", shown), shown, provider=provider)
    flaws += [Flaw(f"is a rate of {rate.provider}", field="provider", file=shown) for rate in rates if rate.provider != provider]
    flaws = flaws or flaws_of(rates)
    if flaws:
        told, left_out = first_flaws(flaws, lambda flaw: flaw)
        raise Misconfigured(f"the seed of {provider} is wrong", flaws=told, left_out=left_out)
    return Seed(provider, kind, TableSchema.load(schemas[0]), tuple(rates))
