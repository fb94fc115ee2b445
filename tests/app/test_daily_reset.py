"""The call that begins days anew and removes what is old enough."""

import asyncio
from datetime import date, timedelta
from pathlib import Path

import pytest

from src.core.ledger.tables import audit, quotas
from src.core.scheduler import retention
from tests.app.running_parts import TODAY, House
from tests.fakes.billing import StillClock
from tests.fakes.running import ROOT_KEY

RESET = "/api/v1/scheduler/reset-daily-quotas"


async def reset(house: House):
    async with house.client(**{"X-CA-Root-Key": ROOT_KEY, "X-User-ID": "maria"}) as caller:
        answer = await caller.post(RESET)
    assert answer.status_code == 200, answer.text
    return answer.json()


def pass_days(house: House, days: int) -> None:
    house.parts.clock = StillClock(TODAY + timedelta(days=days))


async def test_it_begins_the_days_anew_that_have_ended_where_their_organisations_are(tmp_path: Path):
    house = House.build(tmp_path)
    # at noon of Greenwich the next day has begun in Kiritimati
    for slug, zone in (("here_corp", "UTC"), ("ahead_corp", "Pacific/Kiritimati")):
        house.organisation(slug, timezone=zone)
        assert house.parts.ledger.write(quotas.reserve, slug, day=TODAY, at=house.parts.clock.now()) is None

    assert (await reset(house))["reset_count"] == 1
    assert (await reset(house))["reset_count"] == 0
    assert house.parts.ledger.read(quotas.usage, "ahead_corp", date(2026, 11, 22)).run_today == 0
    assert house.parts.ledger.read(quotas.usage, "here_corp", TODAY).run_today == 1
    house.parts.close()


async def test_it_removes_runs_after_ninety_days_and_leaves_those_that_are_open(house: House):
    ended = await house.accepted("acme_corp", start_date="2026-01-01", end_date="2026-01-31")
    opened = await house.accepted("acme_corp", start_date="2026-02-01", end_date="2026-02-28")
    house.begin(ended)
    house.log_step(ended, "acme_corp")
    house.end(ended, "acme_corp")
    with house.parts.ledger.writing() as unit:
        table = unit.tables["org_pipeline_execution_queue"]
        unit.change(table.delete().where(table.c.pipeline_logging_id == ended))
    nothing = {"runs": 0, "steps": 0, "queue": 0, "dq": 0, "scheduled": 0, "audit": 0, "notifications": 0, "events": 0, "answers": 0}

    pass_days(house, 89)
    assert (await reset(house))["removed"] == nothing
    pass_days(house, 91)
    assert (await reset(house))["removed"] == {**nothing, "runs": 1, "steps": 1, "scheduled": 1}
    assert (await reset(house)) == {"reset_count": 0, "removed": nothing, "more": False}
    assert [run["pipeline_logging_id"] for run in (await house.found("/api/v1/pipelines/runs/acme_corp"))["runs"]] == [opened]


async def test_the_audit_trail_is_kept_as_long_as_is_set_and_tells_of_the_reset_itself(tmp_path: Path):
    house = House.build(tmp_path, audit_retention_days=10)
    await reset(house)
    pass_days(house, 11)

    assert (await reset(house))["removed"]["audit"] == 1
    (entry,) = house.parts.ledger.read(audit.page, None, None, 9)
    assert entry.details
    assert (entry.action, entry.user_id, entry.details["removed"]["audit"]) == ("scheduler.reset", "maria", 1)
    house.parts.close()


async def test_one_call_removes_so_much_and_says_that_there_is_more(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "MOST", 4)
    for number in range(1, 6):
        run_id = await house.accepted("acme_corp", start_date=f"2026-01-0{number}", end_date=f"2026-01-0{number}")
        house.end(run_id, "acme_corp")
        with house.parts.ledger.writing() as unit:
            table = unit.tables["org_pipeline_execution_queue"]
            unit.change(table.delete().where(table.c.pipeline_logging_id == run_id))
    pass_days(house, 91)

    told = [await reset(house) for _ in range(2)]
    assert [(one["removed"]["runs"], one["more"]) for one in told] == [(4, True), (1, False)]


async def test_asked_from_many_places_at_once_it_comes_to_the_same(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "BATCH", 3)
    for number in range(1, 29):
        run_id = await house.accepted("acme_corp", start_date=f"2026-02-{number:02}", end_date=f"2026-02-{number:02}")
        house.log_step(run_id, "acme_corp")
        house.end(run_id, "acme_corp")
    with house.parts.ledger.writing() as unit:
        unit.change(unit.tables["org_pipeline_execution_queue"].delete())
    pass_days(house, 91)

    told = await asyncio.gather(*(reset(house) for _ in range(4)))

    assert sum(one["reset_count"] for one in told) == 1
    assert [sum(one["removed"][kind] for one in told) for kind in ("runs", "steps", "scheduled", "queue")] == [28, 28, 28, 0]
    assert (await reset(house))["removed"]["runs"] == 0
