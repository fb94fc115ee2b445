"""Days on which clocks are changed, simulated: every slot ran once or is accounted for, within the plans, whoever dies meanwhile."""

import sys
from collections import Counter
from datetime import date

import pytest

from src.core.scheduler import accounting
from src.core.schedules.trigger import trigger
from tests.core.scheduler.parts import floor
from tests.core.schedules.days import SimulatedDay, hold_to_account
from tests.core.schedules.parts import RUNS, SLOTS, rows

# Europe turns its clocks back and forth, America likewise; the first of November begins a month
EUROPE, AMERICA = (date(2026, 10, 25), date(2027, 3, 28)), (date(2026, 11, 1), date(2027, 3, 14))


def lived(tmp_path, day, capsys, **size: int):
    work = floor(tmp_path, worker_lease_seconds=60.0, worker_slots=8)
    try:
        simulated = SimulatedDay(work, day, **size)
        simulated.run()
        trigger_settles(work)
        ends = hold_to_account(simulated)
        assert accounting.check(work).disagreeing == ()
        assert all(row["ended_at"] for row in rows(work, RUNS))
        slots = f"slots: {dict(sorted(ends.items()))}; calls that the ledger broke: {simulated.weather.broke}"
        with capsys.disabled():
            sys.stdout.write(f"\n{day}, {size}\n{simulated.table()}\n{slots}\n")
        return simulated, ends, [tuple(row.items()) for table in (RUNS, SLOTS) for row in rows(work, table)]
    finally:
        work.close()


def trigger_settles(work):
    """Slots that were tied to a run which ended at that moment are settled by the next pass, which admits nothing here."""
    trigger(work, work.catalog, most=0)


@pytest.mark.parametrize("day", EUROPE, ids=str)
async def test_each_slot_of_a_day_ran_once_or_is_accounted_for(tmp_path, capsys, day):
    simulated, ends, _ = lived(tmp_path, day, capsys, seed=7, orgs=40, hands=2)

    told: Counter[str] = sum(simulated.told.values(), Counter())
    assert {"COMPLETED", "FAILED", "WAITING"} <= set(ends)
    assert min(told[what] for what in ("killed", "taken over", "retried", "ledger")) > 0


@pytest.mark.proof
async def test_a_seed_repeats_a_day_to_the_row(tmp_path, capsys):
    told: list[list[tuple[object, ...]]] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        told.append(lived(tmp_path / name, EUROPE[0], capsys, seed=11, orgs=60, hands=2)[2])

    assert told[0] == told[1]


@pytest.mark.proof
@pytest.mark.parametrize("day", [*EUROPE, *AMERICA], ids=str)
async def test_each_slot_of_a_thousand_organisations_ran_once_or_is_accounted_for(tmp_path, capsys, day):
    _, ends, _ = lived(tmp_path, day, capsys, seed=day.toordinal(), orgs=1000, hands=6)

    assert {"COMPLETED", "FAILED", "WAITING", "MISSED"} <= set(ends)
