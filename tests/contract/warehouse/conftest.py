import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.core.base.clock import SystemClock
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.settings import Settings
from src.core.engine import open_warehouse
from src.core.engine.port import Warehouse
from tests.contract.warehouse.tables import COSTS, MONDAY, TUESDAY, publish, row

ENGINES = ["duckdb", "bigquery"]
JOB_SECONDS = 300.0
PLACE = "engine.json"


def settings_for(engine: str, folder: Path, **more: object) -> Settings:
    """The settings of the warehouse that lives in this folder; in another process too."""
    given = {"warehouse": engine, "embedded_data_dir": folder, "duckdb_memory_limit": "500MB", "duckdb_max_open": 3}
    if engine == "bigquery":
        place = json.loads((folder / PLACE).read_text())
        given |= {"scratch_dir": folder / "scratch", "bigquery_job_seconds": JOB_SECONDS, **place}
    return Settings(_env_file=None).model_copy(update={**given, **more})


def prepare(engine: str, folder: Path, request: pytest.FixtureRequest, project: str = "contract") -> None:
    """Notes where the engine is that serves this folder, which has it to itself until the next folder is prepared."""
    if engine == "bigquery":
        emulator = request.getfixturevalue("bigquery_emulator")
        (folder / PLACE).write_text(json.dumps({**emulator.named, "gcp_project_id": emulator.emptied(project)}))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    prepare(request.param, tmp_path, request)
    return str(request.param)


@pytest.fixture
def warehouse(engine: str, tmp_path: Path) -> Iterator[Warehouse]:
    opened = open_warehouse(settings_for(engine, tmp_path), SystemClock())
    yield opened
    opened.close()


def tenant_named(name: str) -> Tenant:
    return Tenant(org_slug(name), Environment.DEVELOPMENT)


@pytest.fixture(scope="session")
def standing() -> Iterator[dict[str, Warehouse]]:
    held: dict[str, Warehouse] = {}
    yield held
    for opened in held.values():
        opened.close()


@pytest.fixture(params=ENGINES)
def shared(request: pytest.FixtureRequest, standing: dict[str, Warehouse], tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Holds `shared_costs`; for the tests that change nothing, for a dataset and its rows cost a second on some engines."""
    engine = str(request.param)
    if engine not in standing:
        folder = tmp_path_factory.mktemp("shared")
        prepare(engine, folder, request, "shared")
        opened = standing[engine] = open_warehouse(settings_for(engine, folder), SystemClock())
        tenant = tenant_named("acme_corp")
        opened.ensure_dataset(tenant)
        opened.ensure_table(tenant, COSTS)
        publish(opened, tenant, [row(MONDAY, "1.5"), row(TUESDAY, "2.25", "storage")], 1)
    return standing[engine]


@pytest.fixture
def shared_costs(shared: Warehouse) -> Tenant:
    """Two rows: Monday's for compute, Tuesday's for storage."""
    tenant = tenant_named("acme_corp")
    assert shared.tables(tenant) == ("costs",)
    return tenant


@pytest.fixture
def acme(warehouse: Warehouse) -> Tenant:
    tenant = tenant_named("acme_corp")
    warehouse.ensure_dataset(tenant)
    return tenant
