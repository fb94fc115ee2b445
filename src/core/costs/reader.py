from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from src.core.base.documents import read_text
from src.core.base.faults import Missing
from src.core.base.identity import Tenant
from src.core.base.window import Window
from src.core.costs.run_sight import NO_RUNS, RunSight
from src.core.costs.sight import NOTHING_NEW, CredentialSight, SeenDays
from src.core.costs.used_since import NOBODY_SAID, UsedSince
from src.core.engine.port import Params, Warehouse

COSTS_VIEW = "billing_cost_daily"
FIGURE = "figure"
FIGURES = {"{figures_of_days}": "x_cost_daily", "{figures_of_months}": "x_cost_monthly"}
"""What a statement asks of a table by a statement of its own: a dataset of an earlier release has no such column yet."""

WINDOWS: Final = (("first_day", "last_day"), ("previous_day", "previous_last"))
"""As a statement names the days that it is asked of."""


@dataclass(frozen=True, slots=True)
class CostReader:
    """One organisation's costs at one moment, asked by the statements of `configs/costs`."""

    warehouse: Warehouse
    configs: Path
    tenant: Tenant
    now: datetime
    sight: CredentialSight = NOTHING_NEW
    """What the credentials of this moment say of it."""
    runs: RunSight = NO_RUNS
    """What the runs do that failed."""
    used: UsedSince = NOBODY_SAID
    """From which day on each provider is used."""

    def statement(self, name: str) -> str:
        return read_text(self.configs / "costs" / f"{name}.sql", f"configs/costs/{name}.sql")

    def ask(self, name: str, params: Params) -> Mapping[str, Any]:
        """The one row of a statement: each of its columns is a list of records, or a number."""
        # one statement for all of it, so that the rows and what is said of them are of one moment
        text = self.statement(name)
        for place, table in FIGURES.items():
            if place in text:
                text = text.replace(place, self._figures(place.strip("{}"), table))
        [row] = self.warehouse.query_again(self.tenant, text, params).to_pylist()
        return self.seen({column: [] if value is None else value for column, value in row.items()}, params)

    def seen(self, found: dict[str, Any], params: Params, providers: Iterable[str] | None = None) -> dict[str, Any]:
        """What a statement found, by the credentials of this moment too."""
        windows = []
        for first, last in WINDOWS:
            start, end = params.get(first), params.get(last)
            if isinstance(start, date) and isinstance(end, date):
                windows.append(Window(start, end))
        named = params.get("provider")
        asked = frozenset(providers) if providers is not None else frozenset([named]) if isinstance(named, str) else None
        seen = SeenDays(windows, self.now.date(), asked)
        return self.used.seen(self.runs.seen(self.sight.seen(found, seen), seen), seen, self.tenant.org_slug)

    def _figures(self, name: str, table: str) -> str:
        return self.statement(name if FIGURE in self.warehouse.columns(self.tenant, table) else f"{name}_before")

    def has(self, *relations: str) -> bool:
        """Tables and views come with the first load that fills them."""
        try:
            for relation in relations:
                self.warehouse.columns(self.tenant, relation)
        except Missing:
            return False
        return True
