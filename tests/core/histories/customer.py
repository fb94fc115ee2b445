"""The product as an organisation meets it: credentials are stored and deleted, a step of a pipeline loads, and costs are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import structlog

from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.costs.completeness import DayCompleteness
from src.core.costs.daily import read_daily
from src.core.costs.question import CostQuestion, Filters, GroupName
from src.core.costs.reader import CostReader
from src.core.costs.sight import sight_of
from src.core.costs.summary import InvoiceMonth, read_summary
from src.core.step import credentials
from src.core.step.context import StepContext
from src.core.step.credentials import Proven
from src.core.step.source.config import SourceStep
from src.core.step.source.engine import SourceEngine
from src.core.step.source.port import Source
from tests.fakes.billing import ROOT, Billing

MOST_LINES = 1000
RUNS = count(1)
ToldDays = dict[date, tuple[DayCompleteness, dict[str, Decimal]]]
"""Of each day how whole it is, and what each account comes to."""


@dataclass
class Customer:
    here: Billing
    provider: str
    engine: SourceEngine
    configs: Path
    step: Mapping[str, Any] = field(default_factory=dict)

    def store(self, name: str, subject: str | None, connection: Mapping[str, Any]) -> None:
        at = self.here.clock.now()
        key = Secret(f"key of {name}")
        proven = Proven(self.provider, name, key, "mark", subject, connection, generation=1, validated_at=at)
        credentials.store(self._context("store", {}), proven)

    def remove(self, name: str) -> None:
        credentials.remove(self.here.parts, ROOT, str(self.here.tenant.org_slug), self.provider, name)

    def load(self, window: Window, sources: Sequence[Source], **more: Any) -> None:
        step = SourceStep.model_validate({**self.step, **more})
        self.engine.load(step, self._context("load", {"start_date": window.start, "end_date": window.end}), sources)

    def counting(self) -> frozenset[str]:
        return self.engine.leaf.counting(self._context("count", {}), self.here.tenant)

    def told(self, window: Window, group: GroupName) -> ToldDays:
        told: ToldDays = {}
        for line in read_daily(self._reader, CostQuestion(window, Filters(), (group,)), MOST_LINES).lines:
            _, sums = told.setdefault(line.usage_date, (line.standing, {}))
            if line.amounts.net_cost is not None:
                sums[str(line.keys[group])] = line.amounts.net_cost
        return told

    def invoices(self, window: Window) -> dict[str, InvoiceMonth]:
        return {one.invoice_month: one for one in read_summary(self._reader, CostQuestion(window, Filters()), MOST_LINES).invoices}

    @property
    def _reader(self) -> CostReader:
        parts, tenant = self.here.parts, self.here.tenant
        sight = parts.ledger.read(sight_of, str(tenant.org_slug), parts.settings.configs_dir)
        return CostReader(parts.warehouse, self.configs, tenant, self.here.clock.now(), sight)

    def _context(self, step_id: str, variables: Mapping[str, Any]) -> StepContext:
        return StepContext(
            run_id=f"history{next(RUNS):07}",
            step_id=step_id,
            actor=ROOT,
            services=self.here.parts,
            log=structlog.get_logger(),
            tenant=self.here.tenant,
            variables=variables,
            document_id=f"{self.provider}/cost/histories",
        )
