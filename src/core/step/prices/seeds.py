"""What the repository says of a provider's prices: the files of `configs/<provider>/seed/data`."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from src.core.base.documents import read_text
from src.core.base.faults import Flaw, Misconfigured
from src.core.step.prices.changes import flaws_of
from src.core.step.prices.forms import read_csv
from src.core.step.prices.model_names import ModelNames
from src.core.step.prices.rates import D, PlanRate, Rate

PRICING, SUBSCRIPTIONS, ALIASES = "default_pricing.csv", "default_subscriptions.csv", "model_aliases.csv"
ALIAS_COLUMNS = ["alias", "model", "source", "source_date"]


@dataclass(frozen=True)
class PriceSeed:
    rates: tuple[Rate, ...]
    plans: tuple[PlanRate, ...]
    aliases: Mapping[str, str]

    @classmethod
    def load(cls, folder: Path) -> "PriceSeed":
        rates, plans = _rates(Rate, folder / PRICING), _rates(PlanRate, folder / SUBSCRIPTIONS)
        return cls(rates, plans, _aliases(folder / ALIASES))

    def names(self, rates: Iterable[Rate] | None = None) -> ModelNames:
        """Of the seed's models, or of a book's."""
        return ModelNames(frozenset(rate.model for rate in (self.rates if rates is None else rates)), self.aliases)


def _rates(kind: type[D], path: Path) -> tuple[D, ...]:
    rates, flaws = read_csv(kind, read_text(path, str(path)), str(path))
    flaws = flaws or flaws_of(rates)
    if flaws:
        raise Misconfigured("a seed of prices is wrong", flaws=flaws)
    return tuple(rates)


def _aliases(path: Path) -> dict[str, str]:
    lines = list(csv.reader(io.StringIO(read_text(path, str(path)))))
    wrong = [number for number, cells in enumerate(lines, 1) if len(cells) != len(ALIAS_COLUMNS) or not all(cells)]
    if lines[:1] != [ALIAS_COLUMNS] or wrong:
        flaw = Flaw(f"a line is {', '.join(ALIAS_COLUMNS)}, and so is the head", file=str(path), line=wrong[0] if wrong else 1)
        raise Misconfigured("a seed of names is wrong", flaws=[flaw])
    return {alias: model for alias, model, *_ in lines[1:]}
