from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Trap:
    """Something planted: the right figure, and the wrong one that a usual shortcut comes to. `measure` and `where` say what is asked."""

    name: str
    what: str
    shortcut: str
    right: Decimal
    naive: Decimal
    measure: str = "net"
    where: Mapping[str, str] = field(default_factory=dict)
