"""A table of raw rows held against the manifests, on each warehouse."""

from datetime import date
from typing import Any

import pytest

from src.core.base.faults import Missing, Rejected
from src.core.costs.proof import TableProof, prove_table
from src.core.costs.reader import CostReader
from src.core.engine.port import Fence
from tests.core.gcp.handmade import Hand, load, row
from tests.fakes.billing import Billing

RAW = "gcp_billing_daily_raw"
DAYS = [date(2026, 11, number) for number in (1, 2, 3)]


def proof(here: Billing, table: str = RAW) -> TableProof:
    parts = here.parts
    return prove_table(CostReader(parts.warehouse, parts.settings.configs_dir, here.tenant, parts.clock.now()), table)


def states(found: TableProof) -> dict[str, tuple[str, int]]:
    return {one.slice: (one.state, one.stands) for one in found.slices}


def change(here: Billing, sql: str, insert: str | None = None) -> None:
    warehouse = here.parts.warehouse
    with warehouse.publication(here.tenant, "by hand", Fence("tests", warehouse.last_generation(here.tenant, "tests") + 1)) as publication:
        publication.execute(sql)
        if insert:
            publication.insert(RAW, insert)


@pytest.fixture
def loaded(bare: Billing) -> Billing:
    rows = [row(day) for day in DAYS for _ in range(3)]
    load(bare, DAYS[0], DAYS[-1], Hand("costs", rows))
    return bare


def test_what_was_loaded_is_proven_slice_by_slice(loaded: Billing):
    found = proof(loaded)
    assert (found.state, found.says) == ("proven", "what stands is what the manifests name")
    assert states(found) == {str(day): ("proven", 3) for day in DAYS}
    assert {len(one.named.objects[0]["sha256"]) for one in found.slices if one.named} == {64}
    # what is loaded again is held against the newest manifest
    load(loaded, DAYS[0], DAYS[0], Hand("costs", [row(DAYS[0]) for _ in range(5)]))
    assert states(proof(loaded))["2026-11-01"] == ("proven", 5)


def test_rows_that_went_and_came_are_named(loaded: Billing):
    change(loaded, f"DELETE FROM {RAW} WHERE ingest_date = '2026-11-02'", f"SELECT * FROM {RAW} WHERE ingest_date = '2026-11-03'")
    found = proof(loaded)
    assert states(found) == {"2026-11-02": ("missing", 0), "2026-11-03": ("other", 6), "2026-11-01": ("proven", 3)}
    assert [one.says for one in found.slices[:2]] == ["0 rows stand of 3 that were loaded", "6 rows stand where 3 were loaded"]
    assert found.state == "missing"
    assert "load other slices again" in found.says


def test_rows_of_a_release_that_named_no_objects_are_unproven(loaded: Billing):
    change(loaded, "UPDATE x_load_manifests SET objects = NULL WHERE TRUE")
    found = proof(loaded)
    assert {one.state for one in found.slices} == {"unproven"}
    assert found.slices[0].says.startswith("3 rows stand, and no manifest names the slice")


def test_a_table_that_is_no_raw_one_cannot_be_proven(loaded: Billing):
    with pytest.raises(Rejected, match=r"made anew of those.*gcp_billing_daily_raw"):
        proof(loaded, "gcp_cost_daily")
    with pytest.raises(Missing, match="did you mean"):
        proof(loaded, "gcp_billing_daily_rows")


def test_a_table_that_was_written_to_meanwhile_is_asked_again(loaded: Billing, monkeypatch: pytest.MonkeyPatch):
    warehouse: Any = loaded.parts.warehouse
    asked = warehouse.stored_files
    again = [lambda: load(loaded, DAYS[0], DAYS[0], Hand("costs", [row(DAYS[0])]))]

    def stored_files(*given: Any) -> Any:
        if again:
            again.pop()()
        return asked(*given)

    monkeypatch.setattr(warehouse, "stored_files", stored_files)
    assert states(proof(loaded))["2026-11-01"] == ("proven", 1)
    assert not again


def test_files_that_are_damaged_or_gone_are_named_and_the_rest_is_still_proven(bare: Billing):
    # each by a load of its own, so that each is a file of its own
    for day in DAYS:
        load(bare, day, day, Hand("costs", [row(day) for _ in range(3)]))
    whole = proof(bare)
    assert whole.files
    assert [(one.state, one.sha256 in whole.named_hashes) for one in whole.files] == [("whole", True)] * 3

    raw = bare.parts.warehouse.io_folder(bare.tenant).parent / "raw"
    of = {part[1]: raw / one.name for one in whole.files for part in one.slices}
    content = bytearray(of["2026-11-01"].read_bytes())
    content[len(content) // 2] ^= 1
    of["2026-11-01"].chmod(0o600)
    of["2026-11-01"].write_bytes(content)
    of["2026-11-03"].unlink()

    found = proof(bare)
    assert states(found) == {"2026-11-01": ("damaged", 0), "2026-11-03": ("missing", 0), "2026-11-02": ("proven", 3)}
    assert [one.state for one in found.files or ()] == ["damaged", "missing", "whole"]
    assert found.slices[0].says.endswith("has other bytes than when it was kept")
    assert "restore" in found.says
