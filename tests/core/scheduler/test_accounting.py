"""Usage as counted, held against the runs."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from src.core.base.identity import Actor
from src.core.ledger.tables import audit, quotas
from src.core.ledger.tables.usage_counts import Counters
from src.core.scheduler import accounting
from src.core.scheduler.settling import Ending, settle
from tests.core.scheduler.parts import NOON, day, floor
from tests.core.scheduler.test_acceptance import used


def told(work, slug="acme", **changed: int):
    with work.ledger.writing() as unit:
        table = unit.tables["org_usage_quotas"]
        unit.change(update(table).where(table.c.org_slug == slug).values(**changed))


def end(work, run_id, slug="acme"):
    ending = Ending(
        run_id=run_id,
        audit_id=work.ids.new(),
        org_slug=slug,
        pipeline_id="acme-gcp-cost",
        actor=Actor("system"),
        status="SUCCESS",
        at=work.clock.now(),
    )
    assert work.ledger.write(settle, ending)


def test_counters_that_agree_are_left_alone(work):
    work.tenant("idle")
    end(work, work.accept().run.pipeline_logging_id)
    work.accept(window=day(1))

    found = accounting.check(work)

    assert (found.looked_at, found.disagreeing, found.in_use) == (2, (), ())


def test_those_that_do_not_are_told_and_mended_from_the_runs(work):
    end(work, work.accept().run.pipeline_logging_id)
    work.accept(window=day(1))
    work.accept("other")
    told(work, pipelines_run_today=9, pipelines_run_month=1, concurrent_pipelines_running=3)

    [account] = accounting.check(work).disagreeing

    assert (account.row.counted, account.found) == (Counters(9, 1, 3), Counters(2, 2, 1))
    assert str(account) == (
        "acme: 9 runs counted on 2026-11-20, and there are 2; 1 runs counted in 2026-11, and there are 2; "
        "3 runs counted as not over, and there are 1"
    )
    assert accounting.mend(work, account)
    assert accounting.mend(work, account)
    assert (used(work).run_today, used(work).run_month, used(work).running) == (2, 2, 1)
    assert accounting.check(work).disagreeing == ()
    [line] = [line for line in work.ledger.read(audit.page, "acme", None, 9) if line.action == "quotas.mend"]
    assert line.details == {
        "was": {"run_today": 9, "run_month": 1, "running": 3},
        "is": {"run_today": 2, "run_month": 2, "running": 1},
        "usage_date": "2026-11-20",
    }


def test_a_day_is_the_organisations_own(work, monkeypatch):
    work.tenant("tokyo")
    with work.ledger.writing() as unit:
        table = unit.tables["org_profiles"]
        unit.change(update(table).values(timezone="Asia/Tokyo"))
    work.accept("tokyo")
    work.clock.at += timedelta(hours=4).total_seconds()  # past midnight there
    work.accept("tokyo", window=day(1))

    assert work.ledger.read(quotas.usage, "tokyo", (NOON + timedelta(days=1)).date()).run_today == 1
    assert accounting.check(work).disagreeing == ()


def test_what_a_run_did_without_being_admitted_is_not_counted(work):
    run_id = work.accept().run.pipeline_logging_id
    end(work, run_id)
    with work.ledger.writing() as unit:
        table = unit.tables["org_scheduled_pipeline_runs"]
        unit.change(table.delete())
    told(work, pipelines_run_today=0, pipelines_run_month=0)

    assert accounting.check(work).disagreeing == ()


@pytest.fixture
def not_undoing(work, monkeypatch):
    class Traits:
        undoes = False

    monkeypatch.setattr(type(work.ledger), "traits", Traits())
    return work


def test_where_nothing_is_undone_one_that_is_in_use_is_left_for_later(not_undoing):
    work = not_undoing
    work.accept()
    told(work, pipelines_run_today=2)
    assert accounting.check(work).in_use == ("acme",)

    work.clock.at += 16 * 60
    [account] = accounting.check(work).disagreeing
    assert accounting.mend(work, account)
    assert used(work).run_today == 1


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["accept", "end", "night"]), st.integers(0, 2)), max_size=25))
def test_whatever_runs_began_and_ended_the_counters_say_the_same(steps, tmp_path_factory):
    work = floor(tmp_path_factory.mktemp("accounts"))
    slugs, number = ("acme", "brown", "clark"), 0
    alive: list[tuple[str, str]] = []
    for slug in slugs:
        work.tenant(slug)
    for act, which in steps:
        if act == "accept" and len(alive) < 9:
            number += 1
            alive.append((slugs[which], work.accept(slugs[which], window=day(number)).run.pipeline_logging_id))
        elif act == "end" and alive:
            slug, run_id = alive.pop(which % len(alive))
            end(work, run_id, slug)
        elif act == "night":
            work.clock.at += 86_400
    assert accounting.check(work).disagreeing == ()
    work.close()
