import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from src.core.base.faults import Unavailable
from src.core.ledger.tables import audit, configs, orgs, quotas
from src.core.schedules import timekeeper
from src.core.schedules.timekeeper import LEASE, LOOK_SECONDS, Timekeeper
from src.core.schedules.trigger import trigger
from tests.contract.ledger.samples import org
from tests.core.scheduler.parts import NOON, Floor, settled
from tests.core.schedules.parts import rows, schedule

MINUTE = 60


class Told:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@asynccontextmanager
async def keeping(work: Floor, told: Told | None = None, **more: Any):
    clock = Timekeeper(work, work.catalog, told or Told(), sleep=work.clock.sleep, **more)
    await clock.start()
    try:
        yield clock
    finally:
        stopping = asyncio.create_task(clock.stop())
        await work.clock.let_pass(LOOK_SECONDS)
        await stopping


def owner(work):
    return work.ledger.read(configs.leased).owner


async def test_what_falls_due_comes_into_the_queue_at_its_time_by_itself(work):
    schedule(work, schedule_cron="* * * * *", next_run_time=NOON)
    told = Told()
    async with keeping(work, told) as clock:
        await work.clock.let_pass(0)
        assert (owner(work), told.times) == (clock.owner, 1)
        await work.clock.let_pass(5 * MINUTE + 1)

    # of the same window all are tied to the first, which nobody works on
    assert [row["scheduled_time"].minute for row in rows(work)] == [0, 1, 2, 3, 4, 5]
    assert all((row["created_at"] - row["scheduled_time"]).total_seconds() < 1 for row in rows(work))
    assert owner(work) is None


async def test_one_of_two_keeps_the_time_and_the_other_follows_within_a_minute_when_it_is_killed(work):
    schedule(work, schedule_cron="* * * * *", next_run_time=NOON)
    # as one holds it that was killed just now
    assert work.ledger.write(configs.lease, "dead", NOON, NOON + LEASE)

    async with keeping(work) as clock:
        await work.clock.let_pass(LOOK_SECONDS)
        assert (owner(work), rows(work)) == ("dead", [])
        await work.clock.let_pass(MINUTE - LOOK_SECONDS - 1)
        assert owner(work) == clock.owner
        assert len(rows(work)) == 1


async def test_one_that_is_known_to_be_alone_waits_for_no_dead_process(work):
    assert work.ledger.write(configs.lease, "dead", NOON, NOON + LEASE)

    async with keeping(work, alone=lambda: True) as clock:
        await work.clock.let_pass(0)
        assert owner(work) == clock.owner


async def test_two_at_once_have_each_slot_run_once(work):
    for number in range(4):
        schedule(work, config_id=f"c{number}", schedule_cron="* * * * *", parameters={"who": str(number)})

    async with keeping(work), keeping(work):
        await work.clock.let_pass(3 * MINUTE)

    assert len({(row["config_id"], row["scheduled_time"]) for row in rows(work)}) == len(rows(work)) == 16


async def test_days_begin_anew_where_organisations_are_and_old_rows_go_once_a_day_of_all_processes(work, monkeypatch):
    monkeypatch.setattr(timekeeper, "LOOK_SECONDS", 10 * MINUTE)
    # at noon of Greenwich it is one in the morning in Auckland
    work.ledger.write(org, "acme", timezone="Pacific/Auckland")
    there = (NOON + timedelta(hours=13)).date()
    work.ledger.write(quotas.reserve, "acme", day=there, at=NOON - timedelta(hours=2))

    def resets():
        return [line.occurred_at.date() for line in work.ledger.read(audit.page, None, None, 9) if line.action == "scheduler.reset"]

    def counted():
        with work.ledger.reading() as unit:
            return unit.rows(unit.tables["org_usage_quotas"].select())[0].usage_date

    for _ in range(2):
        async with keeping(work):
            await work.clock.let_pass(MINUTE)
    assert (resets(), counted()) == ([NOON.date()], there)
    async with keeping(work):
        # Greenwich's next day begins at midnight, and Auckland's at eleven in the morning
        await work.clock.let_pass(23 * 60 * MINUTE + 20 * MINUTE)

    assert counted() == there + timedelta(days=1)
    assert len(resets()) == 2


async def test_what_nobody_may_take_up_is_not_looked_at_again_and_again(work, monkeypatch):
    schedule(work)
    work.ledger.write(orgs.begin_offboarding, "acme", NOON)
    passes = []

    def counted(*given: Any, **more: Any) -> Any:
        passes.append(1)
        return trigger(*given, **more)

    monkeypatch.setattr(timekeeper, "trigger", counted)

    async with keeping(work):
        await work.clock.let_pass(MINUTE)

    assert 1 < len(passes) <= 1 + MINUTE / LOOK_SECONDS
    assert rows(work) == []


async def test_it_looks_at_once_when_it_is_told(work):
    async with keeping(work) as clock:
        await work.clock.let_pass(1)
        schedule(work)
        clock.wake()
        await settled()
        assert len(rows(work)) == 1


async def test_a_ledger_that_is_away_does_not_end_it(work, monkeypatch):
    write, away = work.ledger.write, True

    def refusing(op: Any, *args: Any, **more: Any) -> Any:
        if away:
            raise Unavailable("the ledger is away")
        return write(op, *args, **more)

    async with keeping(work):
        monkeypatch.setattr(work.ledger, "write", refusing)
        await work.clock.let_pass(2 * LOOK_SECONDS)
        away = False
        schedule(work)
        await work.clock.let_pass(LOOK_SECONDS)
        assert len(rows(work)) == 1


async def test_what_nobody_foresaw_does_not_end_it_without_a_word(work, monkeypatch):
    write, broken = work.ledger.write, [True]

    def breaking(op: Any, *args: Any, **more: Any) -> Any:
        if op is configs.lease and broken:
            broken.clear()
            raise ZeroDivisionError
        return write(op, *args, **more)

    monkeypatch.setattr(work.ledger, "write", breaking)
    monkeypatch.setattr("src.core.schedules.timekeeper.LOOK_SECONDS", 0.01)
    schedule(work)
    async with keeping(work):
        async with asyncio.timeout(60):
            while not rows(work):
                await settled()
