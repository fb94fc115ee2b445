"""Datasets with costs, made through a publication as a run makes them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.costs.reader import CostReader
from src.core.engine.port import Fence, Warehouse

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
HOUSE = CONFIGS / "setup/organizations/onboarding/schemas"
TABLES = {
    "gcp_cost_daily": CONFIGS / "gcp/cost/schemas/gcp_cost_daily.json",
    **{name: HOUSE / f"{name}.json" for name in ("x_cost_daily", "x_cost_monthly", "x_cost_history", "x_load_manifests")},
}
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PUBLISHED = datetime(2026, 11, 20, 6, tzinfo=UTC)


def prepare(warehouse: Warehouse, tenant: Tenant) -> None:
    warehouse.ensure_dataset(tenant)
    for name, path in TABLES.items():
        warehouse.ensure_table(tenant, TableSchema.load(path, name=name))
    warehouse.ensure_view(tenant, "billing_cost_daily", (CONFIGS / "gcp/cost/views/billing_cost_daily.sql").read_text())


def publish(warehouse: Warehouse, tenant: Tenant, **tables: Iterable[dict[str, object]]) -> None:
    generation = warehouse.last_generation(tenant, "tests") + 1
    with warehouse.publication(tenant, f"run_{generation}", Fence("tests", generation)) as publication:
        for name, rows in tables.items():
            publication.append(name, rows)


def reader(warehouse: Warehouse, tenant: Tenant, now: datetime = NOW) -> CostReader:
    return CostReader(warehouse, CONFIGS, tenant, now)


def cost(day: date, billed: str = "1", less: str = "0", currency: str = "USD", **more: object) -> dict[str, object]:
    return {
        "usage_date": day,
        "invoice_month": f"{day:%Y%m}",
        "source_table": "export",
        "currency": currency,
        "cost": Decimal(billed),
        "credits": Decimal(less),
        "net_cost": Decimal(billed) + Decimal(less),
        "row_count": 1,
        **more,
    }


def mark(day: date, completeness: str = "complete", provider: str = "gcp", currency: str = "USD", **more: object) -> dict[str, object]:
    return {
        "usage_date": day,
        "provider": provider,
        "currency": currency,
        "completeness": completeness,
        "pipeline_logging_id": "run",
        "published_at": PUBLISHED,
        **more,
    }


def marks(days: Sequence[date]) -> list[dict[str, object]]:
    return [mark(day) for day in days]


def manifest(published_at: datetime, provider: str = "gcp") -> dict[str, object]:
    """A run read the source then."""
    texts = dict.fromkeys(("manifest_id", "pipeline_logging_id", "step_id", "document", "source", "schema_fingerprint"), "x")
    counts = dict.fromkeys(("generation", "rows_read", "rows_written", "bytes_read"), 0)
    return {**texts, **counts, "provider": provider, "totals": [], "tables": {}, "published_at": published_at}
