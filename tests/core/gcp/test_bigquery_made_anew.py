"""A table made anew and a newer export beside an older one are told alike by both warehouses."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.core.gcp.handmade import Hand, connect, load, row, said
from tests.core.gcp.test_bigquery_bill import kept_in, office, source
from tests.core.gcp.test_sources import day
from tests.fakes.bigquery_source import BigQuerySource
from tests.fakes.billing import Billing

__all__ = ["source"]


def history(here: Billing) -> Iterator[dict[str, Any]]:
    hour = datetime(2026, 11, 2, 7, tzinfo=UTC)
    connect(here, first=[old := Hand("old", [row(day(one), 1, account="A") for one in range(1, 5)], account="A")])
    old.add(row(day(2), 1, usage_start_time=hour))
    here.clock.today = day(5)
    load(here, day(1), day(5), old)
    # made anew: a day told again, one in part, a late row of another, and rows that it does not tell
    again = [row(day(1), 1.5, written=day(6)), row(day(2), 2, written=day(6)), row(day(3), 0.25, written=day(6), cost_type="tax")]
    connect(here, first=[anew := Hand("old", again, account="A", created=datetime(2026, 11, 6, 9, tzinfo=UTC))])
    here.clock.today = day(6)
    load(here, day(1), day(6), anew)
    yield told(here)
    # a newer one takes its place, filled with what was used before
    filled = [row(day(one), 3, written=day(8)) for one in range(1, 8)]
    newer = Hand("new", filled, kind="detailed", account="A", created=datetime(2026, 11, 7, 20, tzinfo=UTC))
    connect(here, first=[newer])
    for at in (8, 13):
        here.clock.today = day(at)
        load(here, day(1), day(at), newer.add(row(day(at), 1)))
        yield told(here)


def told(here: Billing) -> dict[str, Any]:
    looks = here.ask("SELECT source, source_begins, source_made, source_gaps FROM x_source_looks GROUP BY 1, 2, 3, 4 ORDER BY 1, 4")
    slices = here.ask("SELECT source, slice, source_made FROM x_source_slices ORDER BY 1, 2")
    return {"days": said(here), "looks": looks, "slices": slices}


@pytest.mark.proof
async def test_both_warehouses_tell_them_alike(tmp_path, source: BigQuerySource):
    async with office(tmp_path / "duckdb") as here:
        expected = list(history(here))
    assert [expected[0]["days"][name] for name in ("11-01", "11-02", "11-03", "11-04")] == [
        (cost, "partial") for cost in ("1.50", "3.00", "1.25", "1.00")
    ]
    assert {expected[2]["days"][f"11-0{one}"][0] for one in range(1, 8)} == {"3.00"}
    async with office(tmp_path / "bigquery", **kept_in("bigquery", source)) as here:
        assert list(history(here)) == expected
