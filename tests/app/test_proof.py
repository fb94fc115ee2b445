"""A table of raw rows held against its manifests, over the API."""

from datetime import UTC, datetime

from src.core.base.identity import Tenant
from src.core.base.names import OrgSlug
from src.core.base.schema import Field, TableSchema
from tests.app.running_parts import House
from tests.core.costs.bills import manifest, prepare, publish

RAW = "gcp_billing_daily_raw"
AT = "/api/v1/costs/acme_corp/tables"
READ = datetime(2026, 11, 10, 6, tzinfo=UTC)


async def test_each_slice_is_told_in_words_with_what_it_came_in(house: House) -> None:
    warehouse, tenant = house.parts.warehouse, Tenant(OrgSlug("acme_corp"), house.parts.settings.environment)
    prepare(warehouse, tenant)
    columns = (Field("source_table", "STRING"), Field("ingest_date", "DATE"), Field("usage_date", "DATE"))
    warehouse.ensure_table(tenant, TableSchema(RAW, columns))
    came = {"name": "export$20261108", "etag": "v1", "bytes": 100, "sha256": "ab" * 32, "rows": 2}
    entry = {"table": RAW, "source": "export", "slice": "2026-11-08", "version": "v1", "rows": 2, "objects": [came]}
    rows = [{"source_table": "export", "ingest_date": READ.date().replace(day=day), "usage_date": READ.date()} for day in (8, 9)]
    publish(warehouse, tenant, **{RAW: rows, "x_load_manifests": [{**manifest(READ), "objects": [entry]}]})

    found = await house.found(f"{AT}/{RAW}/proof")

    assert (found["table"], found["state"], found["slices_left_off"]) == (RAW, "missing", 0)
    assert found["counts"] == {"damaged": 0, "missing": 1, "other": 0, "unproven": 1, "proven": 0}
    eighth, ninth = found["slices"]
    assert eighth["says"] == "1 row stands of 2 that were loaded"
    assert (eighth["rows_stand"], eighth["rows_named"], eighth["objects"]) == (1, 2, [came])
    assert (ninth["slice"], ninth["state"], ninth["rows_named"], ninth["manifest_id"]) == ("2026-11-09", "unproven", None, None)

    async with house.client() as caller:
        made, unknown = [await caller.get(f"{AT}/{name}/proof") for name in ("gcp_cost_daily", "gcp_billing_daily_rows")]
    assert (made.status_code, unknown.status_code) == (422, 404)
    assert "no table of raw rows" in made.json()["detail"]
