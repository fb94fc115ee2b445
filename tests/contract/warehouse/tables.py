from datetime import date
from decimal import Decimal

from src.core.base.identity import Tenant
from src.core.base.schema import Field, Partition, TableSchema
from src.core.engine.port import Fence, TablePart, Warehouse

COSTS = TableSchema(
    name="costs",
    fields=(
        Field("day", "DATE", "REQUIRED"),
        Field("service", "STRING"),
        Field("cost", "NUMERIC"),
    ),
    partition=Partition("day"),
    cluster=("service",),
)
MONDAY, TUESDAY, WEDNESDAY = date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18)


def row(day: date, cost: str = "1", service: str = "compute") -> dict[str, object]:
    return {"day": day, "service": service, "cost": Decimal(cost)}


def days(start: date, end: date) -> TablePart:
    return TablePart("day", start, end)


def publish(
    warehouse: Warehouse,
    tenant: Tenant,
    rows: list[dict[str, object]],
    generation: int,
    part: TablePart | None = None,
    *,
    scope: str = "costs",
) -> int:
    with warehouse.publication(tenant, f"run_{generation}", Fence(scope, generation)) as publication:
        return publication.append("costs", rows) if part is None else publication.replace("costs", rows, part)


def stored(warehouse: Warehouse, tenant: Tenant) -> list[tuple[object, ...]]:
    found = warehouse.query(tenant, "SELECT day, service, cost FROM costs ORDER BY day, service, cost").to_pylist()
    return [tuple(line.values()) for line in found]
