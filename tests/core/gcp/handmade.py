"""Exports whose every row a test writes, loaded through the real engine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import structlog
import yaml

from src.core.base.window import Window
from src.core.engine.port import RemoteRows
from src.core.ledger.tables import credentials
from src.core.ledger.tables.credentials import CredentialRecord
from src.core.processors.gcp.bq_etl import BigQueryETLEngine
from src.core.providers.export import BillingExport, TablePlace
from src.core.providers.slices import Listing, OnBytes, Slice, SliceDays, day_slice
from src.core.step.books.axis import Axis
from src.core.step.context import StepContext
from src.core.step.gcp.exports import ExportSource
from src.core.step.source.config import SourceStep
from src.core.step.source.load_parts import Published
from src.core.step.source.port import Source
from tests.fakes.billing import ROOT, Billing

TEXT, MOMENT, FLOAT = pa.string(), pa.timestamp("us", tz="UTC"), pa.float64()
SCHEMA = pa.schema(
    {
        "billing_account_id": TEXT,
        "invoice": pa.struct({"month": TEXT}),
        "cost_type": TEXT,
        "service": pa.struct({"id": TEXT, "description": TEXT}),
        "usage_start_time": MOMENT,
        "export_time": MOMENT,
        "cost": FLOAT,
        "currency": TEXT,
        "credits": pa.list_(pa.struct({"id": TEXT, "amount": FLOAT})),
        "adjustment_info": pa.struct({"id": TEXT, "type": TEXT}),
    }
)
RUNS = count(1)


def row(day: date, cost: float | None = 100.0, *, written: date | None = None, account: str = "A", **more: Any) -> dict[str, Any]:
    made = {
        "billing_account_id": account,
        "invoice": {"month": f"{day:%Y%m}"},
        "cost_type": "regular",
        "service": {"id": "s", "description": "Service"},
        "usage_start_time": datetime(day.year, day.month, day.day, 5, tzinfo=UTC),
        "export_time": datetime.combine(written or day, datetime.min.time(), UTC).replace(hour=10),
        "cost": cost,
        "currency": "EUR",
        "credits": [],
    }
    return {**made, **more}


class Named(BillingExport, Protocol):
    @property
    def table(self) -> TablePlace: ...


@dataclass
class Hand:
    """An export of one table; what is added is listed as it would be from then on."""

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    project: str = "proj"
    dataset: str = "ds"
    kind: str = "standard"
    account: str | None = None
    """Whose bill it is, where the credential knows."""
    created: datetime | None = datetime(2026, 1, 1, tzinfo=UTC)
    tells: bool = True
    """Whether it tells what load days hold that are not read."""
    asked: list[str] = field(default_factory=list)
    """The load days of which it was asked that."""
    location: str = "europe-west3"
    older: date | None = None
    """A load day before all of the rows that are asked for, so that it is known not to have begun with these."""

    @property
    def table(self) -> TablePlace:
        return TablePlace(self.project, self.dataset, self.name)

    def add(self, *rows: dict[str, Any]) -> "Hand":
        self.rows += rows
        return self

    def load_days(self, table: str, since: date, until: date) -> tuple[Slice, ...]:
        days = sorted({row["export_time"].date() for row in self.rows} | ({self.older} if self.older else set()))
        return tuple(day_slice(day, len(self._of(day)), 100, f"v{len(self._of(day))}") for day in days if since <= day <= until)

    def made(self, table: str) -> datetime | None:
        return self.created

    def holds(self, table: str, days: Iterable[Slice]) -> Mapping[str, SliceDays]:
        self.asked += [day.key for day in days]
        return {day.key: SliceDays(*self._used(day.day)) for day in days} if self.tells else {}

    def fetch(self, table: str, days: Iterable[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        paths = []
        for day in days:
            paths.append(into / f"{self.project}-{self.name}-{day.day}.parquet")
            pq.write_table(pa.Table.from_pylist(self._of(day.day), schema=SCHEMA), paths[-1])
            on_bytes(day.bytes or 0)
        return tuple(paths)

    def place(self, table: str, days: Iterable[Slice]) -> TablePlace | None:
        return None

    def close(self) -> None: ...

    def _of(self, day: date) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["export_time"].date() == day]

    def _used(self, day: date) -> tuple[frozenset[date], frozenset[str]]:
        rows = self._of(day)
        used = frozenset((row["usage_start_time"] or row["export_time"]).date() for row in rows)
        return used, frozenset(row["invoice"]["month"] for row in rows if row["invoice"])


def connect(acme: Billing, **named: list[Hand]) -> None:
    """Credentials by name, each with the tables that count for it."""
    now = acme.clock.now()
    for name, tables in named.items():
        facts = [
            {
                "project": one.project,
                "dataset": one.dataset,
                "table": one.name,
                "kind": one.kind,
                "billing_account": one.account,
                "location": one.location,
                "made": one.created and one.created.isoformat(),
                "counts": True,
            }
            for one in tables
        ]
        record = CredentialRecord(
            credential_id=f"id-{name}",
            org_slug=str(acme.tenant.org_slug),
            provider="gcp",
            credential_name=name,
            encrypted_credential="sealed",
            fingerprint="print",
            subject=None,
            metadata={"tables": facts},
            validation_status="VALID",
            validation_error=None,
            validated_at=now,
            expires_at=None,
            created_by=None,
            created_at=now,
            updated_at=now,
        )
        acme.parts.ledger.write(credentials.put, record)


@dataclass
class Restated:
    """A source that is asked by the day of use, and tells of a day otherwise until it has settled. It says nothing of other days."""

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    marks: ClassVar[bool] = True

    def slices(self, wanted: Window, everything: Window) -> Listing:
        there = [day for day in wanted if self._of(day)]
        return Listing(tuple(day_slice(day, len(self._of(day)), 100, str(self._of(day))) for day in there), wanted)

    def fetch(self, slices: Sequence[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        paths = []
        for one in slices:
            paths.append(into / f"{self.name}-{one.day}.parquet")
            pq.write_table(pa.Table.from_pylist(self._of(one.day), schema=SCHEMA), paths[-1])
            on_bytes(one.bytes or 0)
        return tuple(paths)

    def place(self, slices: Sequence[Slice]) -> RemoteRows | None:
        return None

    def _of(self, day: date) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["export_time"].date() == day]


def load(acme: Billing, first: date, last: date, *exports: Named, **more: Any) -> Published:
    return load_from(acme, first, last, *(ExportSource(one.table, one) for one in exports), **more)


def load_from(acme: Billing, first: date, last: date, *sources: Source, axis: Axis | None = None, **more: Any) -> Published:
    document = yaml.safe_load((acme.parts.settings.configs_dir / "gcp/cost/billing.yml").read_text())
    config = {name: value for name, value in document["steps"][2]["config"].items() if name != "credential_name"}
    context = StepContext(
        run_id=f"run{next(RUNS):06}",
        step_id="load_billing",
        actor=ROOT,
        services=acme.parts,
        log=structlog.get_logger(),
        tenant=acme.tenant,
        variables={"start_date": first, "end_date": last},
        document_id="gcp/cost/billing",
    )
    engine = BigQueryETLEngine().engine
    if axis:
        engine = replace(engine, books={name: replace(books, axis=axis) for name, books in engine.books.items()})
    return engine.load(SourceStep.model_validate({**config, **more}), context, sources)


def said(acme: Billing) -> dict[str, tuple[str, str]]:
    """Per day what it came to, and how complete it is."""
    rows = acme.ask("SELECT usage_date, billed_cost, completeness FROM x_cost_daily ORDER BY usage_date")
    return {f"{row['usage_date']:%m-%d}": (f"{row['billed_cost'] or 0:.2f}", row["completeness"]) for row in rows}
