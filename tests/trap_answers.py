from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from src.sandbox.trap import Trap


@dataclass(frozen=True, slots=True)
class Answer:
    trap: Trap
    ours: Decimal

    @property
    def right(self) -> bool:
        return self.ours == self.trap.right


def shown(found: Iterable[Answer]) -> str:
    lines = []
    for one in found:
        trap = one.trap
        lines += [
            f"{'right' if one.right else 'WRONG'}  {trap.name}: {trap.what}",
            f"       right {trap.right:>20f}   ours {one.ours:>20f}   naive {trap.naive:>24f}  ({trap.shortcut})",
        ]
    return "\n".join(lines)
