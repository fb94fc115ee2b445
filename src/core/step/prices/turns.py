from collections.abc import Iterator
from datetime import datetime

from src.core.base.faults import Missing
from src.core.base.identity import Tenant
from src.core.step.context import Services
from src.core.step.prices.kinds import PRICING, seed_of
from src.core.step.prices.store import BookStore


def turns(services: Services, tenant: Tenant, provider: str) -> Iterator[datetime]:
    """Where a price of the organisation's book begins or ends: a bucket that has it within would have two."""
    book = BookStore(services, tenant, seed_of(services.settings.configs_dir, provider, PRICING))
    try:
        rates = book.read().rates
    except Missing:
        return
    for rate in rates:
        yield from (moment for moment in (rate.effective_from, rate.effective_to) if moment is not None)
