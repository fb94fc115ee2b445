from importlib import import_module
from typing import Protocol, cast

from src.core.base.clock import Clock
from src.core.base.faults import Misconfigured
from src.core.base.settings import Settings
from src.core.engine.port import Warehouse

# Loaded by name, so that a driver is imported only when its engine is chosen and first touched.
ADAPTERS = {"duckdb": "src.core.engine.duckdb_client"}


class Adapter(Protocol):
    def open_warehouse(self, settings: Settings, clock: Clock) -> Warehouse: ...


def open_warehouse(settings: Settings, clock: Clock) -> Warehouse:
    name = ADAPTERS.get(settings.warehouse_engine)
    if name is None:
        raise Misconfigured(
            f"WAREHOUSE={settings.warehouse_engine} is not served by this release; set WAREHOUSE=duckdb and name EMBEDDED_DATA_DIR"
        )
    return cast("Adapter", import_module(name)).open_warehouse(settings, clock)
