"""What is asked of an organisation's costs, checked."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal, get_args

from src.core.base.faults import Flaw, Rejected
from src.core.base.identity import Tenant
from src.core.base.names import did_you_mean
from src.core.base.redaction import redacted_text
from src.core.base.window import EARLIEST, Window
from src.core.costs.comparison import Compare, Comparison, compared
from src.core.engine.port import Scalar

GroupName = Literal["provider", "service", "project", "sku", "region", "account", "cost_type", "invoice_month"]

GROUPS: Final[tuple[GroupName, ...]] = get_args(GroupName)
# as many keys as the statements of `configs/costs` have
MOST_GROUPS: Final = 2
MOST_DAYS: Final = 366
LATEST = date(2200, 12, 31)


@dataclass(frozen=True, slots=True)
class Filters:
    provider: str | None = None
    service: str | None = None
    project: str | None = None
    currency: str | None = None

    @property
    def values(self) -> dict[str, str | None]:
        return {"provider": self.provider, "service": self.service, "project": self.project, "currency": self.currency}


@dataclass(frozen=True, slots=True)
class CostQuestion:
    window: Window
    filters: Filters = field(default_factory=Filters)
    groups: tuple[GroupName, ...] = ()
    compare: Compare | None = None
    """What the window is compared with; as it lies in the calendar where nothing is named."""

    @property
    def comparison(self) -> Comparison:
        return compared(self.window, self.compare)

    def parameters(self) -> dict[str, Scalar]:
        group_1, group_2 = (*self.groups, None, None)[:MOST_GROUPS]
        return {
            "first_day": self.window.start,
            "last_day": self.window.end,
            "group_1": group_1,
            "group_2": group_2,
            **self.filters.values,
        }

    def fingerprint(self, tenant: Tenant) -> str:
        return fingerprint_of(tenant, self.window, self.filters.values, self.groups)


def fingerprint_of(tenant: Tenant, window: Window, *parts: object) -> str:
    """What ties a cursor to its question."""
    # the dataset too: a place among one organisation's rows means nothing among another's
    asked = [tenant.dataset, str(window.start), str(window.end), *parts]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def window_asked(first: date | None, last: date | None, today: date) -> Window:
    """The current month so far, or what was named of it."""
    end = last or today
    start = first or end.replace(day=1)
    check_days(start, end)
    if (end - start).days >= MOST_DAYS:
        days = (end - start).days + 1
        raise Rejected(
            f"{start} to {end} are {days} days; ask for at most {MOST_DAYS} at a time", flaws=[Flaw("lies too far back", "from")]
        )
    return Window(start, end)


def check_days(start: date, end: date) -> None:
    for name, day in (("from", start), ("to", end)):
        if not EARLIEST <= day <= LATEST:
            raise Rejected(f"{name} must lie between {EARLIEST} and {LATEST}", flaws=[Flaw("is no day that costs are kept for", name)])
    require_order(start, end)


def require_order(start: date, end: date) -> None:
    if end < start:
        raise Rejected(f"from {start} lies after to {end}; turn them round", flaws=[Flaw("lies after `to`", "from")])


def groups_asked(given: Sequence[str]) -> tuple[GroupName, ...]:
    """From a comma list, the parameter repeated, or both."""
    names = [name.strip() for part in given for name in part.split(",") if name.strip()]
    for name in names:
        if name not in GROUPS:
            mend = did_you_mean(name, GROUPS) or f"; choose of {', '.join(GROUPS)}"
            raise Rejected(f"costs are not grouped by {redacted_text(name)[:60]!r}{mend}", flaws=[Flaw("is not a group", "group_by")])
    groups = tuple(group for group in GROUPS if group in names)
    if len(groups) != len(names):
        raise Rejected("a group is named twice; name it once", flaws=[Flaw("stands twice", "group_by")])
    if len(groups) > MOST_GROUPS:
        raise Rejected(f"costs are grouped by at most {MOST_GROUPS} at a time", flaws=[Flaw("names too many groups", "group_by")])
    return tuple(sorted(groups, key=names.index))
