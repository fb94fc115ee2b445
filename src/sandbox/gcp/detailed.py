"""The same money as the standard export, resource by resource."""

from collections.abc import Iterable, Iterator

from src.sandbox.gcp.money import PLACES, nanos
from src.sandbox.gcp.rows import Credit, Row

ONE = 10**PLACES


def by_resource(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        if len(row.resources) <= 1:
            yield row
        else:
            yield from _split(row, len(row.resources))


def _split(row: Row, count: int) -> Iterator[Row]:
    costs, credited = _shares(row.cost, count), [_shares(credit.amount, count) for credit in row.credits]
    listed = [None] * count if row.cost_at_list is None else _shares(row.cost_at_list, count)
    for position, name in enumerate(row.resources):
        yield row._replace(
            cost=costs[position],
            cost_at_list=listed[position],
            amount=row.amount / count,
            credits=tuple(Credit(credit.kind, shares[position]) for credit, shares in zip(row.credits, credited, strict=True)),
            resources=(name,),
        )


def _shares(amount: float, count: int) -> list[float]:
    """Parts that add up to the amount as NUMERIC; the last one takes what is over."""
    whole = nanos(amount)
    part = whole // count
    return [part / ONE] * (count - 1) + [(whole - part * (count - 1)) / ONE]
