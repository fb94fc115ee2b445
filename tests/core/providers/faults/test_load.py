"""Every fault met by a load, in the midst of its pages: days stay as they were told, and the next load that goes through mends them."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.core.providers.faults.conftest import HASTY_SECONDS, Faulty
from tests.core.providers.faults.drives import DRIVES, Drive
from tests.core.providers.faults.table import WireFault
from tests.fakes.spoiling_proxy import SpoilRule

GCP = DRIVES[1]
DAYS = 9


def told(faulty: Faulty, drive: Drive) -> dict[str, Any]:
    asked = {"from": str(faulty.acme.today - timedelta(DAYS)), "to": str(faulty.acme.today), "provider": drive.provider}
    return {row["usage_date"]: row for row in faulty.run(faulty.acme.found("costs/{org}/daily", **asked))["rows"]}


def load(faulty: Faulty, drive: Drive, first: date) -> dict[str, Any]:
    window = {"start_date": str(first), "end_date": str(faulty.acme.today)}
    return dict(faulty.run(faulty.acme.ask("POST", f"pipelines/run/{{org}}/{drive.pipeline}", window, wait="true")).json())


def spoiled(faulty: Faulty, drive: Drive, row: WireFault, first: date, rule: SpoilRule) -> dict[str, Any]:
    faulty.slept.clear()
    if row.hasty:
        faulty.patience(HASTY_SECONDS)
    with faulty.proxy.spoiling(rule):
        run = load(faulty, drive, first)
    faulty.patience(30)
    assert any(rule.spoils(number + 1) for number in range(len(rule.sent)))
    return run


def fails(faulty: Faulty, drive: Drive, row: WireFault, run: dict[str, Any]) -> None:
    assert row.fault is not None
    said = run["error"]["message"]
    assert (run["status"], run["error"]["code"], row.says in said) == ("FAILED", row.fault.code, True), run
    assert bool(faulty.slept) == row.retried
    stands = faulty.stands(drive.provider)
    assert (stands["validation_status"], stands["validation_error"]) == (row.run, said if row.run == "INVALID" else None)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in GCP.rows])
def test_a_run_that_is_refused_before_it_reads_says_so_of_its_credential(faulty: Faulty, row: WireFault):
    faulty.acme.today += timedelta(1)
    faulty.connected("gcp", GCP.credential)
    faulty.run(faulty.acme.ask("POST", "integrations/{org}/gcp/validate"))

    run = spoiled(faulty, GCP, row, faulty.acme.today, SpoilRule(GCP.read, GCP.spoils(row)))

    fails(faulty, GCP, row, run)
    assert {(day["net_cost"], day["completeness"]) for day in told(faulty, GCP).values()} == {(None, "missing")}
