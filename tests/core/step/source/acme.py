"""A provider of the tests' own, of which only the facts differ from Google: usage without money, in slices that have names."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from src.core.base.identity import Tenant
from src.core.base.window import Window
from src.core.engine.port import Params, RemoteRows
from src.core.providers.slices import Listing, OnBytes, Slice
from src.core.step.context import StepContext
from src.core.step.credentials import OpenCredential
from src.core.step.source.by_day import Row, days_asked
from src.core.step.source.config import SourceStep
from src.core.step.source.engine import SourceEngine
from src.core.step.source.load_parts import Published
from src.core.step.source.port import Source
from tests.fakes.billing import ROOT, Billing

RUNS = count(1)
READ = {"books": "acme/cost", "destination_table": "acme_usage_raw"}
BOOKS = """
provider: acme
raw:
  acme_usage_raw:
    description: Usage as Acme tells it
    partition: {field: usage_date, granularity: month}
derived:
  acme_cost_daily:
    description: Cost by day and model
    partition: {field: usage_date, granularity: month}
cost: acme_cost_daily
suite: acme_suite.json
axis: AXIS
"""
RAW = """[
  {"name": "source", "type": "STRING", "mode": "REQUIRED"},
  {"name": "source_slice", "type": "STRING", "mode": "REQUIRED"},
  {"name": "usage_date", "type": "DATE", "mode": "REQUIRED"},
  {"name": "model", "type": "STRING"},
  {"name": "tokens", "type": "INT64"}
]"""
DAILY = """[
  {"name": "usage_date", "type": "DATE", "mode": "REQUIRED"},
  {"name": "invoice_month", "type": "STRING"},
  {"name": "model", "type": "STRING"},
  {"name": "currency", "type": "STRING", "mode": "REQUIRED"},
  {"name": "cost", "type": "NUMERIC", "mode": "REQUIRED"},
  {"name": "credits", "type": "NUMERIC", "mode": "REQUIRED"},
  {"name": "net_cost", "type": "NUMERIC", "mode": "REQUIRED"},
  {"name": "row_count", "type": "INT64", "mode": "REQUIRED"},
  {"name": "source_as_of", "type": "TIMESTAMP"}
]"""
MEASURES = """
SELECT model, COUNT(*) AS row_count, SUM(tokens) AS tokens
FROM {rows}
GROUP BY model
"""
FILL = """
SELECT
  usage_date,
  FORMAT_DATE('%Y%m', usage_date) AS invoice_month,
  model,
  'USD' AS currency,
  SUM(CAST(tokens AS NUMERIC) / 100) AS cost,
  CAST(0 AS NUMERIC) AS credits,
  SUM(CAST(tokens AS NUMERIC) / 100) AS net_cost,
  COUNT(*) AS row_count,
  CAST(NULL AS TIMESTAMP) AS source_as_of
FROM {rows}
GROUP BY usage_date, model
"""
SUITE = """{
  "name": "acme", "meta": {"table": "acme_cost_daily"},
  "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "cost"}}]
}"""


def configured(acme: Billing, axis: str) -> Path:
    configs = acme.parts.settings.data_dir / "configs"
    shutil.copytree(acme.parts.settings.configs_dir, configs)
    texts = {
        "books.yml": BOOKS.replace("AXIS", axis).replace("    partition", "    sums: [tokens]\n    partition", 1),
        "schemas/acme_usage_raw.json": RAW,
        "schemas/acme_cost_daily.json": DAILY,
        "books/measures.sql": MEASURES,
        "books/fill.sql": FILL,
    }
    for name, text in texts.items():
        path = configs / "acme" / "cost" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (configs / "data_quality/expectations/acme_suite.json").write_text(SUITE)
    return configs


class Leaf:
    name = "acme"

    def open(
        self, context: StepContext, tenant: Tenant, credential: OpenCredential, step: SourceStep
    ) -> AbstractContextManager[Sequence[Source]]:
        raise NotImplementedError

    def beside(self, source: str) -> bool:
        return False

    def sources_of(self, account: str) -> frozenset[str]:
        return frozenset({account})

    def named_after(self, source: str) -> str | None:
        return None

    def asks(self, table: str | None) -> bool:
        return True

    def counting(self, context: StepContext, tenant: Tenant) -> frozenset[str]:
        return frozenset({"usage"})

    def asked(self, context: StepContext, tenant: Tenant) -> Params:
        return {}


@dataclass
class Acme:
    here: Billing
    configs: Path

    @property
    def engine(self) -> SourceEngine:
        return SourceEngine.read(Leaf(), self.configs)

    def context(self, first: date, last: date, step_id: str = "load_usage", run_id: str | None = None) -> StepContext:
        return StepContext(
            run_id=run_id or f"run{next(RUNS):06}",
            step_id=step_id,
            actor=ROOT,
            services=self.here.parts,
            log=structlog.get_logger(),
            tenant=self.here.tenant,
            variables={"start_date": first, "end_date": last},
            document_id="acme/cost/usage",
        )

    def load(self, first: date, last: date, *sources: Source) -> Published:
        return self.engine.load(SourceStep.model_validate(READ), self.context(first, last), sources)

    @contextmanager
    def told(self, rows: list[Row], since: date = date.min, name: str = "usage") -> Iterator[Source]:
        """A source that is asked by the day, and tells these rows."""

        def ask(window: Window) -> Iterator[tuple[date, Row]]:
            yield from ((row["usage_date"], row) for row in sorted(rows, key=lambda row: row["usage_date"]) if row["usage_date"] in window)

        columns = self.engine.books["acme/cost"].raw["acme_usage_raw"].schema.fields[2:]
        folder = self.here.parts.warehouse.io_folder(self.here.tenant)
        with days_asked(folder, "run", {name: (columns, ask)}, self.here.clock.today, since) as (source,):
            yield source

    def said(self) -> dict[str, tuple[str, str]]:
        rows = self.here.ask("SELECT usage_date, billed_cost, completeness FROM x_cost_daily ORDER BY usage_date")
        return {f"{row['usage_date']:%m-%d}": (f"{row['billed_cost'] or 0:.2f}", row["completeness"]) for row in rows}


def used(day: date, tokens: int = 100, model: str = "m") -> dict[str, Any]:
    return {"usage_date": day, "model": model, "tokens": tokens}


SCHEMA = pa.schema({"usage_date": pa.date32(), "model": pa.string(), "tokens": pa.int64()})


@dataclass
class Delivered:
    """An export by the month, of which each delivery has a version; it does not say how many rows it has, nor do its rows say its name."""

    months: dict[str, tuple[str, list[dict[str, Any]]]] = field(default_factory=dict)
    name: str = "usage"
    marks: bool = False

    def deliver(self, month: str, version: str, *rows: dict[str, Any]) -> None:
        self.months[month] = (version, list(rows))

    def slices(self, wanted: Window, everything: Window) -> Listing:
        found = [Slice(month, *_days_of(month), version) for month, (version, _) in sorted(self.months.items())]
        first, last = _days_of(f"{wanted.start:%Y-%m}")[0], _days_of(f"{wanted.end:%Y-%m}")[1]
        return Listing(tuple(one for one in found if one.first <= last and one.last >= first), Window(first, last))

    def fetch(self, slices: Sequence[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        paths = []
        for one in slices:
            paths.append(into / f"{one.key}.parquet")
            pq.write_table(pa.Table.from_pylist(self.months[one.key][1], schema=SCHEMA), paths[-1])
        return tuple(paths)

    def place(self, slices: Sequence[Slice]) -> RemoteRows | None:
        return None


def _days_of(month: str) -> tuple[date, date]:
    first = date.fromisoformat(f"{month}-01")
    return first, (first + timedelta(31)).replace(day=1) - timedelta(1)
