"""The defects that `tests/mutants.py` plants, over all parts: slips of one line, each with what it would do to a user."""

from tests.planted import (
    anthropic_reports,
    backfills,
    books,
    edge,
    imports,
    ledger,
    model_costs,
    prices,
    pricing,
    providers,
    queries,
    runs,
    schedules,
    upkeep,
    usage,
    warehouse,
)

PLANTED = (
    *ledger.DEFECTS,
    *warehouse.DEFECTS,
    *books.DEFECTS,
    *prices.DEFECTS,
    *pricing.DEFECTS,
    *providers.DEFECTS,
    *queries.DEFECTS,
    *usage.DEFECTS,
    *imports.DEFECTS,
    *anthropic_reports.DEFECTS,
    *model_costs.DEFECTS,
    *runs.DEFECTS,
    *schedules.DEFECTS,
    *backfills.DEFECTS,
    *upkeep.DEFECTS,
    *edge.DEFECTS,
)
