from collections.abc import Iterator
from pathlib import Path

import pytest

from src.core.base.clock import SystemClock
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.settings import Settings
from src.core.engine import open_warehouse
from src.core.engine.port import Warehouse
from tests.core.costs.bills import prepare


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    settings = Settings(_env_file=None).model_copy(update={"embedded_data_dir": tmp_path, "duckdb_memory_limit": "500MB"})
    opened = open_warehouse(settings, SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def acme(warehouse: Warehouse) -> Tenant:
    tenant = Tenant(org_slug("acme_corp"), Environment.DEVELOPMENT)
    prepare(warehouse, tenant)
    return tenant
