"""What a run published, read where it is true: in the organisation's dataset, not in the ledger."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from src.core.base.documents import read_text
from src.core.base.identity import Tenant
from src.core.step.context import Services

TABLE: Final = "x_load_manifests"
QUERY: Final = "runs/manifests.sql"
JSON_COLUMNS: Final = ("source_version", "columns_unknown", "columns_absent", "totals", "tables", "unread", "quality")


def of_run(services: Services, tenant: Tenant, run_id: str) -> list[dict[str, Any]]:
    """None where nothing was published; a dataset that is lost is told as that, not as one that nothing was published to."""
    warehouse = services.warehouse
    if TABLE not in warehouse.tables(tenant):
        return []
    query = read_text(services.settings.configs_dir / QUERY, f"configs/{QUERY}")
    return [_opened(row) for row in warehouse.query(tenant, query, {"run_id": run_id}).to_pylist()]


def _opened(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _document(value) if name in JSON_COLUMNS else value for name, value in row.items()}


def _document(value: object) -> Any:
    # exact: a sum that went through a float would not be the one that was closed
    return json.loads(value, parse_float=Decimal) if isinstance(value, str) else value
