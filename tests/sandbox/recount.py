"""Counts a folder of Parquet files again, with nothing of the sandbox's own arithmetic."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

NINE = Decimal("0.000000001")


def read(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        yield from pq.read_table(path).to_pylist()


def numeric(amount: float) -> Decimal:
    return Decimal(repr(amount)).quantize(NINE, ROUND_HALF_UP)


def recount(rows: Iterable[dict[str, Any]], key: Callable[[dict[str, Any]], Any]) -> dict[Any, tuple[int, Decimal, Decimal]]:
    sums: dict[Any, list[Any]] = defaultdict(lambda: [0, Decimal(0), Decimal(0)])
    for row in rows:
        held = sums[key(row)]
        held[0] += 1
        held[1] += numeric(row["cost"])
        held[2] += sum((numeric(credit["amount"]) for credit in row["credits"]), Decimal(0))
    return {name: tuple(held) for name, held in sums.items()}
