import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from src.sandbox.trap import Trap

CLAIMS = Path(__file__).with_name("package_claims.csv")
"""What packages that price calls say where they claim the figure of a trap; see package_claims.py."""


@dataclass(frozen=True, slots=True)
class Answer:
    trap: Trap
    ours: Decimal

    @property
    def right(self) -> bool:
        return self.ours == self.trap.right


def claimed() -> Mapping[str, Sequence[tuple[str, Decimal]]]:
    """By trap: a package with its version, and its figure."""
    found: dict[str, list[tuple[str, Decimal]]] = {}
    with CLAIMS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["trap"], []).append((row["package"], Decimal(row["says"])))
    return found


def shown(found: Iterable[Answer]) -> str:
    lines, claims = [], claimed()
    for one in found:
        trap = one.trap
        lines += [
            f"{'right' if one.right else 'WRONG'}  {trap.name}: {trap.what}",
            f"       right {trap.right:>20f}   ours {one.ours:>20f}   naive {trap.naive:>24f}  ({trap.shortcut})",
            *(f"       {package}: {says:f}, {'right' if says == trap.right else 'wrong'}" for package, says in claims.get(trap.name, ())),
        ]
    return "\n".join(lines)
