"""Compares the seeds of prices with the package genai-prices, and lists what differs and nobody has judged.

    python -m scripts.compare_prices [--configs configs] [--judged scripts/judged_prices.csv] [--all]

A difference is told by its axes, with what either side says. Those that were looked at and stay stand in the judged file with the
reason; it ends with 1 when one is left, or when a judgement fits no difference any more.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path

from genai_prices.data import providers
from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, StartDateConstraint, TieredPrices, TimeOfDateConstraint

from src.core.base.faults import Misconfigured
from src.core.step.prices.rates import Rate
from src.core.step.prices.seeds import PriceSeed

PACKAGE = "genai-prices"
SEEDS = "*/seed/data"
KINDS = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "output_mtok": "output",
    "input_audio_mtok": "audio_input",
    "cache_audio_read_mtok": "cached_audio_input",
    "output_audio_mtok": "audio_output",
    "input_image_mtok": "image_input",
    "cache_image_read_mtok": "cached_image_input",
    "output_image_mtok": "image_output",
    "input_mchars": "characters",
    "audio_hours": "duration",
}
# a write of the lifetime that each provider has without asking
CACHE_WRITES = {
    "openai": {"cache_write_mtok": "cache_write_30m"},
    "anthropic": {"cache_write_mtok": "cache_write_5m", "cache_write_1h_mtok": "cache_write_1h"},
}
# what a model's search calls cost is the provider's price for the tool
TOOLS = {"web_searches_kcount": ("web-search", "call"), "storage_searches_kcount": ("file-search", "call")}
SAME_AGAIN = {"input_audio_hours": "audio_hours"}
MINUTES = {"minute": 1, "hour": 60}
RENAMED = {"ft:gpt-3.5-turbo-": "ft:gpt-3.5-turbo"}
# the package tells rates of peak hours as rates of a time of day, and all others as those of the model
PEAK = "peak"
WINDOWS = ("any", "off_peak", PEAK)

Key = tuple[str, str, str, str, int]
"""Provider, model, kind of use, tier with its window where it is the peak, prompt tokens over."""


@dataclass(frozen=True, order=True)
class Piece:
    since: str
    until: str
    price: Decimal

    def __str__(self) -> str:
        return " ".join(
            [f"{self.price:f}", *([f"from {self.since}"] if self.since else []), *([f"until {self.until}"] if self.until else [])]
        )


@dataclass(frozen=True)
class Difference:
    key: Key
    what: str
    """price, dates, missing (here), gone (there)"""
    ours: str
    theirs: str

    @property
    def cells(self) -> tuple[str, ...]:
        return (*map(str, self.key), self.what, self.ours, self.theirs)

    def __str__(self) -> str:
        provider, model, kind, tier, over = self.key
        place = f"{provider} {model} {kind} {tier}" + (f" over {over}" if over else "")
        return f"{self.what:8} {place}: {self.ours or 'nothing'} here, {self.theirs or 'nothing'} there"


@dataclass(frozen=True)
class Judgement:
    patterns: tuple[str, ...]
    """Of a difference's cells; `*` fits any."""
    reason: str

    def fits(self, difference: Difference) -> bool:
        return all(fnmatchcase(cell, pattern) for cell, pattern in zip(difference.cells, self.patterns, strict=True))


def ours(configs: Path) -> Iterator[Rate]:
    for folder in sorted(configs.glob(SEEDS)):
        yield from PriceSeed.load(folder).rates


def differences(rates: Sequence[Rate]) -> Iterator[Difference]:
    here: dict[Key, list[Piece]] = {}
    claimed: set[Key] = set()
    for rate in rates:
        # the package knows no regions, dollars alone, and a window by its hours
        if rate.region != "any" or rate.price_window not in WINDOWS:
            continue
        tier = f"{rate.service_tier} {PEAK}" if rate.price_window == PEAK else rate.service_tier
        key = (rate.provider, rate.model, rate.token_kind, tier, rate.prompt_tokens_over)
        price = rate.price / MINUTES.get(rate.unit, 1)
        here.setdefault(key, []).append(Piece(_text(rate.effective_from), _text(rate.effective_to), price))
        if PACKAGE in rate.source:
            claimed.add(key)
    there = theirs((rate.provider, rate.model) for rate in rates)
    for key in sorted({*here, *there}):
        found = _differs(sorted(here.get(key, [])), sorted(there.get(key, [])))
        if found and (found != "gone" or key in claimed):
            yield Difference(key, found, _line(here.get(key, [])), _line(there.get(key, [])))


def _differs(here: list[Piece], there: list[Piece]) -> str | None:
    if not here or not there:
        return "gone" if here else "missing"
    if here[-1].price != there[-1].price or here[-1].until != there[-1].until:
        return "price"
    return "dates" if here != there else None


def theirs(named: Iterable[tuple[str, str]]) -> dict[Key, list[Piece]]:
    """All that the package has of these providers, and under these names what it takes them for, a snapshot for its model."""
    found: dict[Key, list[Piece]] = {}
    wanted = set(named)
    for provider in (one for one in providers if one.id in {name for name, _ in wanted}):
        models = {RENAMED.get(model.id, model.id): model for model in provider.models}
        taken = {name: provider.find_model(name) for of, name in wanted if of == provider.id and name not in models}
        for name, model in [*models.items(), *((name, model) for name, model in taken.items() if model is not None)]:
            for key, piece in _model(provider.id, name, model):
                found[key] = _joined([*found.get(key, []), piece])
    return found


def _joined(pieces: list[Piece]) -> list[Piece]:
    """A price is told again where another of the model changes."""
    joined: list[Piece] = []
    for piece in sorted(set(pieces)):
        if joined and piece.since and joined[-1].until == piece.since and joined[-1].price == piece.price:
            joined[-1] = Piece(joined[-1].since, piece.until, piece.price)
        else:
            joined.append(piece)
    return joined


def _model(provider: str, name: str, model: ModelInfo) -> Iterator[tuple[Key, Piece]]:
    told = [ConditionalPrice(constraint=None, prices=model.prices)] if isinstance(model.prices, ModelPrice) else model.prices
    for one in told:
        if isinstance(one.constraint, TimeOfDateConstraint):
            yield from _pieces((provider, name, f"standard {PEAK}"), "", "", _told(one.prices))
    listed = [(_since(one), one.prices) for one in told if not isinstance(one.constraint, TimeOfDateConstraint)]
    for index, (since, prices) in enumerate(listed):
        until = listed[index + 1][0] if index + 1 < len(listed) else ""
        yield from _pieces((provider, name, "standard"), since, until, _told(prices))
    current_since, current = listed[-1][0], _told(listed[-1][1])
    for variant in model.price_variants or ():
        told_tier = variant.when.get("service_tier", variant.when.get("speed", str(variant.when)))
        tier = "batch" if variant.when == {"processing": "batch"} else told_tier
        if tier != "default":
            # what a tier does not say anew is charged as ever, tools aside: they have one price
            kept = {priced: price for priced, price in current.items() if priced not in TOOLS}
            since = max(
                current_since, variant.constraint.start_date.isoformat() if isinstance(variant.constraint, StartDateConstraint) else ""
            )
            yield from _pieces((provider, name, tier), since, "", kept | _told(variant.prices))


def _pieces(of: tuple[str, str, str], since: str, until: str, told: Mapping[str, Decimal | TieredPrices]) -> Iterator[tuple[Key, Piece]]:
    provider, named, tier = of
    for name, price in told.items():
        if SAME_AGAIN.get(name) in told:
            continue
        # one that is unknown here is told as a kind of its own, and so as missing
        model, kind = TOOLS.get(name, (named, KINDS.get(name) or CACHE_WRITES.get(provider, {}).get(name, name)))
        whole = price.base if isinstance(price, TieredPrices) else price
        yield (provider, model, kind, tier, 0), Piece("" if name in TOOLS else since, "" if name in TOOLS else until, _minutes(name, whole))
        for step in price.tiers if isinstance(price, TieredPrices) else ():
            yield (provider, model, kind, tier, step.start), Piece(since, until, step.price)


def _told(prices: ModelPrice) -> dict[str, Decimal | TieredPrices]:
    return {name: price for name, price in vars(prices).items() if price is not None}


def _since(one: object) -> str:
    constraint = getattr(one, "constraint", None)
    return constraint.start_date.isoformat() if isinstance(constraint, StartDateConstraint) else ""


def _minutes(name: str, price: Decimal) -> Decimal:
    return price / MINUTES["hour"] if name == "audio_hours" else price


def _text(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return moment.date().isoformat() if moment.astimezone(UTC).time() == time() else moment.isoformat()


def _line(pieces: Sequence[Piece]) -> str:
    return ", ".join(map(str, sorted(pieces)))


def judgements(path: Path) -> list[Judgement]:
    with path.open(encoding="utf-8", newline="") as file:
        return [Judgement(tuple(cells[:-1]), cells[-1]) for cells in list(csv.reader(file))[1:]]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Compares the seeds of prices with the package genai-prices.")
    parser.add_argument("--configs", type=Path, default=Path("configs"))
    parser.add_argument("--judged", type=Path, default=Path("scripts/judged_prices.csv"))
    parser.add_argument("--all", action="store_true", help="list what was judged too, with its reason")
    asked = parser.parse_args(arguments)
    try:
        rates, judged = list(ours(asked.configs)), judgements(asked.judged)
    except Misconfigured as wrong:
        print(wrong)
        return 1
    found = {one: next((each for each in judged if each.fits(one)), None) for one in differences(rates)}
    for one, judgement in found.items():
        if judgement is None:
            print(one)
        elif asked.all:
            print(f"{one}\n         judged: {judgement.reason}")
    idle = [one for one in judged if one not in found.values()]
    for judgement in idle:
        print(f"judged   fits no difference; take it out: {','.join(judgement.patterns)} ({judgement.reason})")
    left = sum(1 for judgement in found.values() if judgement is None)
    print(f"{len(rates)} rates beside {PACKAGE} {version(PACKAGE)}: {left} differences nobody has judged, {len(found) - left} judged")
    return 1 if left or idle else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
