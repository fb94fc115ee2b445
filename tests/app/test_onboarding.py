"""Many onboardings at once, on a warehouse that waits for nobody."""

import asyncio
from pathlib import Path

from src.core.engine import claim_warehouse
from src.core.engine.duckdb.client import DuckDBWarehouse
from tests.app.running_parts import House


async def test_onboardings_wait_their_turn_instead_of_refusing_each_other(tmp_path: Path) -> None:
    house = House.build(tmp_path, duckdb_max_open=2)
    parts = house.parts
    # with the service's own documents
    del parts.__dict__["catalog"]
    claim = claim_warehouse(parts.settings)
    assert claim is not None
    parts._warehouse = DuckDBWarehouse(parts.settings, parts.clock, parts.settings.data_dir / "warehouse", claim, wait_seconds=0.0)
    async with house.client() as caller:
        answers = await asyncio.gather(
            *(
                caller.post(
                    "/api/v1/organizations/onboard",
                    json={"org_slug": f"org_{number}", "company_name": "One of many", "admin_email": "a@example.com"},
                )
                for number in range(8)
            )
        )
    parts.close()
    assert [answer.status_code for answer in answers] == [201] * 8, [answer.text for answer in answers]
