"""Lays the seeds into an organisation's price books; the step `seed_csv` of every model provider."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal

import structlog

from src.core.base.documents import Document
from src.core.base.faults import Misconfigured
from src.core.base.identity import Actor
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.step.context import StepConfig, StepContext, StepResult, unheld
from src.core.step.prices.book import BookRequest
from src.core.step.prices.changes import Release, Reset, named
from src.core.step.prices.kinds import PRICING, SUBSCRIPTIONS, BookKind, Seed, seed_of
from src.core.step.prices.rates import D
from src.core.step.prices.store import BookStore, Changed

Mode = Literal["release", "reset"]
KINDS: tuple[BookKind[Any], ...] = (PRICING, SUBSCRIPTIONS)
SHOWN_RATES = 100


def laying(seed: Seed[D], mode: Mode) -> BookRequest[D]:
    return Reset(seed.rates) if mode == "reset" else Release(seed.rates)


def lay(store: BookStore[D], mode: Mode, actor: Actor, held: Callable[[], None] = unheld) -> Mapping[str, Any]:
    made = store.make()
    done = store.change(laying(store.seed, mode), actor, f"{store.seed.kind.name}.{mode}", held)
    return {"table": store.seed.table, "table_created": made, **told(done)}


def told(done: Changed[D]) -> Mapping[str, Any]:
    """What laying a seed changed, in numbers; the organisation's own rates that it put away by name."""
    away = [row.rate for row in done.change.closed if row.rate.origin == "own" and row.closed_because == "reset"]
    return {
        "changed": done.change.changes,
        "opened": len(done.change.opened),
        "closed": len(done.change.closed),
        "own_put_away": len(away),
        "own_rates_put_away": [{"rate_id": rate.rate_id, "rate": named(rate), "price": _plain(rate.price)} for rate in away[:SHOWN_RATES]],
    }


class SeedConfig(Document):
    mode: Mode = "release"


class PriceSeeding:
    """`mode: release`, for a setup, leaves what the organisation laid and took away; `mode: reset` is the seed alone.

    An input `book` names one of the books; without it both are laid.
    """

    config_model = SeedConfig
    provider: ClassVar[str]

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.template_dir = self.settings.configs_dir / self.provider / "seed"
        # a seed that is wrong is told when the service starts
        self.seeds: tuple[Seed[Any], ...] = tuple(seed_of(self.settings.configs_dir, self.provider, kind) for kind in KINDS)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        if context.tenant is None:
            raise Misconfigured(f"step {context.step_id} lays price books and was run without its organisation")
        mode = SeedConfig.model_validate(step_config).mode
        asked = context.inputs.get("book")
        books = {}
        for seed in self.seeds:
            if asked in (None, seed.kind.name):
                store = BookStore(context.services, context.tenant, seed)
                books[seed.kind.name] = await blocking(lay, store, mode, context.actor, context.still_wanted)
        rows = sum(book["opened"] + book["closed"] for book in books.values())
        return {"status": "SUCCESS", "mode": mode, "rows_processed": rows, "books": books}


def _plain(price: Decimal | None) -> str | None:
    return None if price is None else format(price, "f")
