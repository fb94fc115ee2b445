import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

import pytest

from src.core.base.faults import Missing
from src.core.base.settings import ROOT
from src.core.base.table_facts import TableFacts
from src.core.base.window import Window
from src.core.ledger.tables import runs
from src.core.scheduler.copying import TABLES, RunCopies
from tests.contract.ledger.rivals import at_once
from tests.contract.ledger.samples import row_of
from tests.core.scheduler.parts import DAY, NOON, at_work, over, until

FOLDER = ROOT / "configs" / "setup" / "organizations" / "onboarding"


@pytest.fixture
def house(work):
    work.tenant(dataset=True)
    for name in TABLES:
        work.warehouse.ensure_table(work.tenants["acme"], TableFacts(description=name).with_columns(FOLDER, name))
    return work


def copied(work, sql):
    return work.warehouse.query(work.tenants["acme"], sql).to_pylist()


def ended(work, window, at=NOON):
    run_id = work.accept(window=window).run.pipeline_logging_id
    work.ledger.write(runs.finish, run_id, status="FAILED", at=at, error_code="missing", error_message="no export")
    return run_id


async def test_a_run_is_copied_into_its_organisations_dataset_when_it_is_over(house):
    async with at_work(house) as worker:
        run_id = house.accept().run.pipeline_logging_id
        worker.wake()
        await until(over(house, run_id))
    [run] = copied(house, "SELECT * FROM x_meta_pipeline_runs")
    assert (run["pipeline_logging_id"], run["status"], run["rows_processed"], run["window_start"]) == (run_id, "SUCCESS", 7, DAY.start)
    steps = copied(house, "SELECT step_id, status, run_date FROM x_meta_step_logs ORDER BY step_index")
    assert [(step["step_id"], step["status"], step["run_date"]) for step in steps] == [
        ("extract_it", "SUCCESS", NOON.date()),
        ("load_it", "SUCCESS", NOON.date()),
    ]


class Slow(WeakValueDictionary[str, Any]):
    """Its own looks and then sets as well, though seldom with somebody else in between."""

    def setdefault(self, key, default=None):
        found = self.get(key)
        time.sleep(0.05)
        if found is None:
            self[key] = found = default
        return found


def test_runs_that_were_not_copied_are_copied_with_the_next_and_none_twice(house):
    first = ended(house, DAY)
    second = ended(house, Window.day(DAY.start - timedelta(days=1)))
    ended(house, Window.day(DAY.start - timedelta(days=2)), at=NOON - timedelta(days=4))
    with house.ledger.writing() as unit:
        table = unit.tables["org_meta_dq_results"]
        unit.change(table.insert(), row_of(table, "acme") | {"pipeline_logging_id": first})
    copies = RunCopies(house, Slow())
    assert sorted(at_once(4, lambda: copies.copy(house.tenants["acme"]))) == [0, 0, 0, 2]
    found = copied(house, "SELECT pipeline_logging_id FROM x_meta_pipeline_runs ORDER BY pipeline_logging_id")
    assert [row["pipeline_logging_id"] for row in found] == [first, second]
    [result] = copied(house, "SELECT * FROM x_meta_dq_results")
    assert (result["pipeline_logging_id"], result["passed"], result["run_date"]) == (first, True, NOON.date())


def test_a_run_that_ended_a_second_time_is_copied_again_as_it_ended_then(house):
    run_id = ended(house, DAY)
    copies = RunCopies(house)
    assert copies.copy(house.tenants["acme"]) == 1
    with house.ledger.writing() as unit:
        runs_table = unit.tables["org_meta_pipeline_runs"]
        unit.change(runs_table.update(), {"status": "FAILED", "ended_at": NOON + timedelta(hours=1)})

    assert [copies.copy(house.tenants["acme"]) for _ in range(2)] == [1, 0]
    assert [(row["pipeline_logging_id"], row["status"]) for row in copied(house, "SELECT * FROM x_meta_pipeline_runs")] == [
        (run_id, "FAILED")
    ]


def test_nothing_is_copied_for_one_who_had_the_slug_before(house):
    ended(house, DAY)
    earlier = replace(house.tenants["acme"], generation=0)

    with pytest.raises(Missing, match="off-boarded"):
        RunCopies(house).copy(earlier)

    assert copied(house, "SELECT * FROM x_meta_pipeline_runs") == []


def test_an_organisation_without_its_tables_is_left_alone(work):
    ended(work, DAY)
    assert RunCopies(work).copy(work.tenants["acme"]) == 0
