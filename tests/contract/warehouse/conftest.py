from collections.abc import Iterator
from pathlib import Path

import pytest

from src.core.base.clock import SystemClock
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.settings import Settings
from src.core.engine import open_warehouse
from src.core.engine.port import Warehouse

# A second engine joins by one more name here and a branch in `settings_for`.
ENGINES = ["duckdb"]


def settings_for(engine: str, folder: Path, **more: object) -> Settings:
    given = {"warehouse": engine, "embedded_data_dir": folder, "duckdb_memory_limit": "500MB", "duckdb_max_open": 3, **more}
    return Settings(_env_file=None).model_copy(update=given)


@pytest.fixture(params=ENGINES)
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    opened = open_warehouse(settings_for(request.param, tmp_path), SystemClock())
    yield opened
    opened.close()


def tenant_named(name: str) -> Tenant:
    return Tenant(org_slug(name), Environment.DEVELOPMENT)


@pytest.fixture
def acme(warehouse: Warehouse) -> Tenant:
    tenant = tenant_named("acme_corp")
    warehouse.ensure_dataset(tenant)
    return tenant
