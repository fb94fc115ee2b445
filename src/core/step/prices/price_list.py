"""Which rate a use is charged by. Pure; nothing is guessed: where the list has no rate there is none."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from src.core.step.prices.rates import EVERY, LARGEST, Rate, covers


@dataclass(frozen=True, slots=True)
class Use:
    provider: str
    model: str
    """As the list names it (`model_names.py`)."""
    token_kind: str
    service_tier: str = "standard"
    prompt_tokens: int = 0
    """Of the request; 0 where only sums are known, which is charged as a short one."""
    price_window: str = EVERY
    region: str = EVERY


class PriceList:
    """Rates that stand together in a book, none over another."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self._offers: dict[tuple[str, str, str], list[Rate]] = {}
        for rate in rates:
            self._offers.setdefault((rate.provider, rate.model, rate.service_tier), []).append(rate)
        self.models = frozenset(model for _, model, _ in self._offers)
        self.tiers = frozenset(tier for _, _, tier in self._offers)

    def rate(self, use: Use, at: datetime) -> Rate | None:
        """The rate that applies in this moment.

        A rate of the use's own window or region comes before one of any. Where a model has rates for long prompts, a long prompt is
        charged by these alone: the rate of a short one would be too low.
        """
        offers = self._standing(use, at)
        reached = [one.prompt_tokens_over for one in offers if one.prompt_tokens_over < max(use.prompt_tokens, 1)]
        fitting = [one for one in offers if one.token_kind == use.token_kind and one.prompt_tokens_over == max(reached)] if reached else []
        return max(fitting, key=lambda one: (one.region != EVERY, one.price_window != EVERY), default=None)

    def steps(self, use: Use, at: datetime) -> list[int]:
        """The numbers of prompt tokens beyond which it may be charged by another rate, the least first; whatever its kind."""
        return sorted({0, *(one.prompt_tokens_over for one in self._standing(use, at))} - {LARGEST})

    def _standing(self, use: Use, at: datetime) -> list[Rate]:
        offers = self._offers.get((use.provider, use.model, use.service_tier), ())
        return [one for one in offers if covers(one, at) and _serves(one, use)]


def _serves(rate: Rate, use: Use) -> bool:
    return rate.price_window in (use.price_window, EVERY) and rate.region in (use.region, EVERY)
