import json
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from src.core.base.clock import SystemClock
from src.core.base.settings import Settings
from src.core.engine import open_warehouse
from src.core.engine.port import Fence
from src.core.step.quality.judge import judge
from src.core.step.quality.suite import load_suite
from tests.contract.warehouse.conftest import tenant_named
from tests.core.step.quality.tables import LINES, NOW

WIDE = Path(__file__).with_name("wide_suite.json")


class Counting:
    """A publication that counts its queries and asks them for real."""

    def __init__(self, publication) -> None:
        self.publication, self.queries = publication, 0

    def query(self, sql, params=None):
        self.queries += 1
        return self.publication.query(sql, params)


class Undone(Exception):
    pass


class Bench:
    """One warehouse; every judgement writes rows, looks at them and leaves nothing behind."""

    def __init__(self, warehouse) -> None:
        self.warehouse, self.tenant, self.generation = warehouse, tenant_named("acme_corp"), 0
        warehouse.ensure_dataset(self.tenant)
        warehouse.ensure_table(self.tenant, LINES)

    @contextmanager
    def written(self, rows, table=LINES):
        self.generation += 1
        with suppress(Undone), self.warehouse.publication(self.tenant, "run", Fence("lines", self.generation)) as publication:
            publication.append(table.name, rows)
            yield Counting(publication)
            raise Undone

    def judge(self, suite, rows, *, part=None, values=None, columns=None, now=NOW, until=None):
        with self.written(rows) as publication:
            verdict = judge(publication, suite, table=LINES, part=part or {}, now=now, values=values, columns=columns, until=until)
        assert publication.queries <= 1
        return verdict


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    given = {"warehouse": "duckdb", "embedded_data_dir": tmp_path_factory.mktemp("quality"), "duckdb_memory_limit": "500MB"}
    warehouse = open_warehouse(Settings(_env_file=None).model_copy(update=given), SystemClock())
    yield Bench(warehouse)
    warehouse.close()


@pytest.fixture(scope="module")
def wide():
    return load_suite(WIDE)


@pytest.fixture
def suite_of(tmp_path):
    """A suite of these expectations, read from a file as any other."""

    def read(*expectations: object, **more: object):
        path = tmp_path / "suite.json"
        text = json.dumps({"name": "small", "expectations": expectations, **more}, default=lambda exact: f"@{exact}@", indent=2)
        path.write_text(text.replace('"@', "").replace('@"', ""))
        return load_suite(path, "suite.json")

    return read
