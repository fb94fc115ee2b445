from collections.abc import Iterator
from pathlib import Path

import pytest

from src.core.base.clock import SystemClock
from src.core.base.identity import Tenant
from src.core.engine import open_warehouse
from src.core.engine.port import Warehouse
from tests.contract.warehouse.conftest import prepare as note_engine
from tests.contract.warehouse.conftest import settings_for, tenant_named
from tests.core.step.reconciliation.both_sides import prepare

ACME = tenant_named("acme_corp")


def opened(engine: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    note_engine(engine, folder, request)
    warehouse = open_warehouse(settings_for(engine, folder), SystemClock())
    prepare(warehouse, ACME)
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    yield from opened("duckdb", tmp_path_factory.mktemp("books"), request)


@pytest.fixture(scope="module")
def bigquery(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    yield from opened("bigquery", tmp_path_factory.mktemp("books"), request)


@pytest.fixture(scope="session")
def acme() -> Tenant:
    return ACME
