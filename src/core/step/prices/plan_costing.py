"""The months of an organisation's plans, made anew and published; the step `subscriptions` of every provider that sells plans."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Self

import structlog

from src.core.base.documents import read_text
from src.core.base.faults import BooksNotClosed, Misconfigured
from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.base.settings import get_settings
from src.core.base.table_facts import PartitionFacts, TableFacts
from src.core.base.threads import blocking
from src.core.base.window import Window
from src.core.engine import write_rows
from src.core.engine.port import ParquetFiles
from src.core.step import manifests
from src.core.step.books.deriving import derive
from src.core.step.books.housekeeping import Housekeeping
from src.core.step.books.retelling import Retelling, with_told_since
from src.core.step.books.rules import Derived
from src.core.step.books.telling import By
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.prices.book import Book
from src.core.step.prices.kinds import SUBSCRIPTIONS, seed_of
from src.core.step.prices.plan_months import months_of, plan_rows
from src.core.step.prices.rates import EXACT, PlanRate
from src.core.step.prices.store import BookStore
from src.core.step.source.fetching import inbox
from src.core.step.source.load import fence

STAGED = "plan_months"
FILL = f"system/prices/{STAGED}.sql"
FACTS = TableFacts(
    description="What the plans of the book come to, by calendar month and rate",
    partition=PartitionFacts(field="usage_date", granularity="month"),
    cluster=("plan_name",),
)


def monthly_table(provider: str) -> str:
    return f"{provider}_subscriptions_monthly"


@dataclass(frozen=True, slots=True)
class PlanBooks:
    """The table of a provider's plans, and how its rows are made anew."""

    plain: TableSchema
    derived: Derived
    manifest: TableSchema

    @classmethod
    def read(cls, configs: Path, provider: str) -> Self:
        own = Housekeeping.read(configs)
        plain = FACTS.with_columns(configs / provider, monthly_table(provider))
        fill = read_text(configs / FILL, f"configs/{FILL}")
        clear = own.templates["clear"].replace("{derived}", plain.name)
        derived = Derived(with_told_since(plain), clear, fill, Retelling.of(plain, fill, own.templates))
        return cls(plain, derived, next(schema for schema in own.schemas if schema.name == manifests.TABLE))

    @property
    def kept(self) -> tuple[TableSchema, ...]:
        return self.derived.schema, self.derived.retelling.before, self.manifest


@dataclass(frozen=True, slots=True)
class _Reckoned:
    by: By
    months: Sequence[Window]
    rows: Sequence[Mapping[str, Any]]
    last_change: datetime | None
    """Of the book."""


class PlanCosting:
    """Whole months, of every day of the run's window; by the book as it stands, without asking the provider."""

    provider: ClassVar[str]

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.template_dir = self.settings.configs_dir / self.provider
        self.seed = seed_of(self.settings.configs_dir, self.provider, SUBSCRIPTIONS)
        self.books = PlanBooks.read(self.settings.configs_dir, self.provider)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:  # noqa: ARG002 - takes none
        if context.tenant is None:
            raise Misconfigured(f"step {context.step_id} reckons an organisation's plans and was run without one")
        return await blocking(self._run, context, context.tenant)

    def _run(self, context: StepContext, tenant: Tenant) -> StepResult:
        months = months_of(_window(context))
        by = By(self.provider, context.run_id, context.services.clock.now())
        book: Book[PlanRate] = BookStore(context.services, tenant, self.seed).read()
        rows = [row for month in months for row in plan_rows(book.rates, month, by.at.date())]
        for schema in self.books.kept:
            context.services.warehouse.ensure_table(tenant, schema)
        with inbox(context.services.warehouse.io_folder(tenant), context) as folder:
            self._publish(context, tenant, folder / f"{STAGED}.parquet", _Reckoned(by, months, rows, book.last))
        return self._result(months, rows)

    def _publish(self, context: StepContext, tenant: Tenant, staged: Path, reckoned: "_Reckoned") -> None:
        rows, days = reckoned.rows, [day for month in reckoned.months for day in month]
        write_rows(staged, self.books.plain.fields, rows)
        with context.services.warehouse.publication(tenant, context.run_id, fence(context, tenant)) as publication:
            publication.stage(STAGED, ParquetFiles((staged,)), self.books.plain)
            written = derive(publication, self.books.derived, days, reckoned.by).rows
            if written != len(rows):
                raise BooksNotClosed(f"{len(rows)} rows were reckoned and {written} written; what was told stays")
            publication.append(manifests.TABLE, [self._manifest(context, reckoned)])
            context.still_wanted()

    def _result(self, months: Sequence[Window], rows: Sequence[Mapping[str, Any]]) -> StepResult:
        return {
            "status": "SUCCESS",
            "rows_processed": len(rows),
            "destination_table": self.books.derived.table,
            "months": [f"{month.start:%Y%m}" for month in months],
            "completeness": dict(Counter(row["completeness"] for row in rows)),
            "warnings": sorted({f"{row['plan_name']}: {row['warning']}" for row in rows if row["warning"]}),
        }

    def _manifest(self, context: StepContext, reckoned: "_Reckoned") -> dict[str, Any]:
        totals: dict[str, Decimal] = {}
        for row in reckoned.rows:
            if row["cost"] is not None:
                totals[row["currency"]] = EXACT.add(totals.get(row["currency"], Decimal(0)), row["cost"])
        shown = [{"source": self.seed.table, "currency": one, "cost": format(total, "f")} for one, total in sorted(totals.items())]
        return {
            "manifest_id": context.services.ids.new(),
            "pipeline_logging_id": reckoned.by.run_id,
            "step_id": context.step_id,
            "document": context.document_id,
            # not the provider: by the manifests of its name is known when its costs were last read
            "provider": self.seed.table,
            "generation": context.generation,
            "window_start": reckoned.months[0].start,
            "window_end": reckoned.months[-1].end,
            "source": self.seed.table,
            "source_version": [{"last_change": reckoned.last_change and reckoned.last_change.isoformat()}],
            "schema_fingerprint": "",
            "rows_read": len(reckoned.rows),
            "rows_written": len(reckoned.rows),
            "bytes_read": 0,
            "totals": shown,
            "tables": {self.books.derived.table: len(reckoned.rows)},
            "published_at": reckoned.by.at,
        }


def _window(context: StepContext) -> Window:
    """A run without one is of its date."""
    start, end = (context.variables.get(name) or context.variables.get("date") for name in ("start_date", "end_date"))
    if not isinstance(start, date) or not isinstance(end, date):
        raise Misconfigured(f"step {context.step_id} was run without a date")
    return Window(start, end)
