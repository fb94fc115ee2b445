"""A view that several clouds tell of, on DuckDB: who has loaded is in it, and nobody is taken out again."""

import shutil
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from src.core.base.clock import SystemClock
from src.core.base.faults import Misconfigured
from src.core.base.identity import Tenant
from src.core.base.names import Environment, OrgSlug
from src.core.base.schema import TableSchema
from src.core.base.settings import ROOT, Settings
from src.core.engine import open_warehouse
from src.core.engine.port import Fence, Warehouse
from src.core.step.books.retelling import with_told_since
from src.core.step.books.shared_views import Views, compose, publish_views, read_views

ACME = Tenant(OrgSlug("acme"), Environment.DEVELOPMENT)
VIEW = "billing_cost_daily"
GOOGLE = ROOT / "configs/gcp/cost"
GCP_TABLE = with_told_since(TableSchema.load(GOOGLE / "schemas/gcp_cost_daily.json", name="gcp_cost_daily"))
COLUMNS = [
    {"name": "usage_date", "type": "DATE", "mode": "REQUIRED"},
    {"name": "workspace", "type": "STRING"},
    {"name": "model", "type": "STRING"},
    {"name": "currency", "type": "STRING"},
    {"name": "amount", "type": "NUMERIC"},
]
FAKE_TABLE = TableSchema.parse(COLUMNS, "fake_cost_daily.json", name="fake_cost_daily", description="Costs of a fake")
PART = """-- What a workspace is charged; its FROM and commas, these too, are no columns.
SELECT
  usage_date,
  'fake' AS provider,
  workspace AS account_id,
  CAST(NULL AS STRING) AS project_id,
  COALESCE(workspace, 'none, FROM nowhere') AS project_name,
  `model` AS service,
  d.model AS sku,
  CASE WHEN amount < 0 OR amount > 10 THEN 'far' END AS region,
  ARRAY<STRUCT<key STRING, value STRING>>[] AS labels,
  'regular' AS cost_type,
  FORMAT_DATE('%Y%m', DATE_TRUNC(usage_date, MONTH)) AS invoice_month,
  currency,
  amount AS billed_cost,
  CAST(0 AS NUMERIC) AS credits,
  amount AS net_cost,
  (SELECT 1 FROM (SELECT 1)) AS row_count
FROM fake_cost_daily AS d
"""


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """Google's own files, and a second provider's beside them."""
    for books in (GOOGLE, tmp_path / "configs/fake/cost"):
        to = tmp_path / "configs" / books.parent.name / "cost"
        for folder in ("schemas", "views"):
            (to / folder).mkdir(parents=True)
        (to / "books.yml").touch()
    for path in (*GOOGLE.glob("schemas/*.json"), *GOOGLE.glob("views/*.sql")):
        shutil.copy(path, tmp_path / "configs/gcp/cost" / path.parent.name)
    fake = tmp_path / "configs/fake/cost"
    (fake / "schemas/fake_cost_daily.json").touch()
    (fake / f"views/{VIEW}.sql").write_text(PART)
    return tmp_path / "configs"


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    opened = open_warehouse(Settings(embedded_data_dir=tmp_path / "data", disable_auth=True, _env_file=None), SystemClock())
    opened.ensure_dataset(ACME)
    yield opened
    opened.close()


def load(warehouse: Warehouse, schema: TableSchema, **row: Any) -> None:
    warehouse.ensure_table(ACME, schema)
    scope = f"load_{schema.name}"
    with warehouse.publication(ACME, "run", Fence(scope, warehouse.last_generation(ACME, scope) + 1)) as publication:
        publication.append(schema.name, [{"usage_date": date(2026, 11, 20), "currency": "USD", **row}])


def load_gcp(warehouse: Warehouse, views: Views) -> None:
    numbers = {"cost": 3, "credits": -1, "net_cost": 2, "row_count": 1}
    load(warehouse, GCP_TABLE, source_table="t", invoice_month="202611", cost_type="regular", **numbers)
    publish_views(warehouse, ACME, "gcp", views)


def load_fake(warehouse: Warehouse, views: Views) -> None:
    load(warehouse, FAKE_TABLE, workspace="w", model="m", amount=11)
    publish_views(warehouse, ACME, "fake", views)


def told(warehouse: Warehouse) -> list[tuple[str, str | None, int]]:
    rows = warehouse.query(ACME, f"SELECT provider, region, CAST(net_cost AS INT64) AS net FROM {VIEW} ORDER BY 1, 3").to_pylist()
    return [(row["provider"], row["region"], row["net"]) for row in rows]


def test_the_first_provider_stands_alone_as_it_wrote_its_part(warehouse: Warehouse, configs: Path):
    views = read_views(configs)

    load_gcp(warehouse, views)

    assert told(warehouse) == [("gcp", None, 2)]
    assert compose({"gcp_cost_daily"}, views[VIEW]) == (GOOGLE / f"views/{VIEW}.sql").read_text()
    assert warehouse.query(ACME, "SELECT net_cost FROM gcp_cost_billing").num_rows == 1
    assert compose({"x_cost_daily"}, views[VIEW]) is None


@pytest.mark.parametrize("order", ["gcp first", "fake first"])
def test_the_second_joins_and_the_first_keeps_it_when_it_publishes_again(warehouse: Warehouse, configs: Path, order: str):
    views = read_views(configs)
    first, second = (load_gcp, load_fake) if order == "gcp first" else (load_fake, load_gcp)

    first(warehouse, views)
    second(warehouse, views)
    assert told(warehouse) == [("fake", "far", 11), ("gcp", None, 2)]

    first(warehouse, views)
    assert {provider for provider, _, _ in told(warehouse)} == {"fake", "gcp"}
    assert len(told(warehouse)) == 3


def test_who_loads_for_the_first_time_meanwhile_is_not_taken_out(warehouse: Warehouse, configs: Path):
    """The other has made its table and its view after this one has looked which tables there are."""
    views = read_views(configs)
    warehouse.ensure_table(ACME, GCP_TABLE)

    class Meanwhile:
        looks = 0

        def tables(self, tenant: Tenant) -> tuple[str, ...]:
            there = warehouse.tables(tenant)
            self.looks += 1
            if self.looks == 1:
                load_fake(warehouse, views)
            return there

        def ensure_view(self, tenant: Tenant, name: str, sql: str) -> None:
            warehouse.ensure_view(tenant, name, sql)

    here: Any = Meanwhile()
    publish_views(here, ACME, "gcp", views)

    assert told(warehouse) == [("fake", "far", 11)]
    load_gcp(warehouse, views)
    assert len(told(warehouse)) == 2


def test_a_view_of_one_provider_alone_takes_no_look_at_the_tables(warehouse: Warehouse):
    views = read_views(ROOT / "configs")
    warehouse.ensure_table(ACME, GCP_TABLE)

    class Blind:
        def ensure_view(self, tenant: Tenant, name: str, sql: str) -> None:
            warehouse.ensure_view(tenant, name, sql)

    here: Any = Blind()
    publish_views(here, ACME, "gcp", {name: parts for name, parts in views.items() if len(parts) == 1})

    assert warehouse.query(ACME, "SELECT * FROM gcp_cost_billing").num_rows == 0


CHANGED: Mapping[str, tuple[str, str, str]] = {
    "lacks one": ("  currency,\n", "", "lists usage_date, provider"),
    "another name": ("amount AS billed_cost", "amount AS billed", "invoice_month, currency, billed, credits"),
    "another order": (
        "  currency,\n  amount AS billed_cost,\n",
        "  amount AS billed_cost,\n  currency,\n",
        "billed_cost, currency, credits",
    ),
    "no name": ("'regular' AS cost_type", "'regular'", "its column 10 has no name"),
    "null": ("CAST(NULL AS STRING) AS project_id", "NULL", "its column 4 has no name"),
    "a case": ("END AS region", "END", "its column 8 has no name"),
    "a star": ("  usage_date,\n", "  *,\n", "its column 1 has no name"),
    "its own table": ("FROM fake_cost_daily AS d", "FROM elsewhere AS d -- fake_cost_daily", "reads no table of its folder's schemas"),
    "nowhere": ("FROM fake_cost_daily AS d\n", "", "must be one SELECT"),
    "semicolon": ("FROM fake_cost_daily AS d", "FROM fake_cost_daily AS d;", "must be one SELECT"),
    "with": ("SELECT\n  usage_date", "WITH a AS (SELECT 1)\nSELECT\n  usage_date", "must be one SELECT"),
}


@pytest.mark.parametrize(("line", "instead", "said"), CHANGED.values(), ids=CHANGED.keys())
def test_parts_that_do_not_fit_refuse_the_start_with_their_file(configs: Path, line: str, instead: str, said: str):
    path = configs / f"fake/cost/views/{VIEW}.sql"
    assert PART.count(line) == 1
    path.write_text(PART.replace(line, instead))

    with pytest.raises(Misconfigured) as caught:
        read_views(configs)

    files = {flaw.file: flaw.message for flaw in caught.value.flaws}
    assert said in " ".join(files.values())
    assert files.keys() <= {f"configs/fake/cost/views/{VIEW}.sql", f"configs/gcp/cost/views/{VIEW}.sql"}
