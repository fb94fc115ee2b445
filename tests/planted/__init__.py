"""The defects that `tests/mutants.py` plants, over all parts: slips of one line, each with what it would do to a user."""

from tests.planted import books, edge, ledger, prices, providers, queries, runs, warehouse

PLANTED = (
    *ledger.DEFECTS,
    *warehouse.DEFECTS,
    *books.DEFECTS,
    *prices.DEFECTS,
    *providers.DEFECTS,
    *queries.DEFECTS,
    *runs.DEFECTS,
    *edge.DEFECTS,
)
