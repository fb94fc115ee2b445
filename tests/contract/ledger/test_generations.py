"""A slug may have one holder after the other: what was run for one of them is nothing to the next."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from src.core.ledger.tables import orgs, run_pages, runs
from src.core.ledger.tables.run_pages import RunFilter
from tests.contract.ledger.samples import AT, org, run, step

HOUR = timedelta(hours=1)


def seen(ledger):
    """The ids of the runs that whoever has the slug is shown, each way there is."""
    page = ledger.read(run_pages.page, "acme", RunFilter(), after=None, limit=9)
    last = ledger.read(run_pages.last_of_each, "acme")
    ended = ledger.read(run_pages.ended_since, "acme", AT)
    ids = [found.pipeline_logging_id for found in page]
    assert [found.pipeline_logging_id for found in last.values()] == ids[:1]
    assert [found.pipeline_logging_id for found in ended] == ids[::-1]
    assert [run_id for run_id in ("r1", "r2", "r3") if ledger.read(runs.of_org, "acme", run_id)] == ids[::-1]
    return ids


def ended(ledger, run_id, **more: object):
    ledger.write(runs.accept, run(run_id, **more))
    ledger.write(runs.finish, run_id, status="SUCCESS", at=AT + 5 * HOUR)


def erased(ledger, at):
    ledger.write(orgs.erase, "acme", at)


def test_who_has_the_slug_sees_the_runs_of_its_own_generation(ledger, acme):
    ended(ledger, "r1", org_generation=1)
    assert seen(ledger) == ["r1"]
    erased(ledger, AT)
    # as one that was accepted between two statements of the off-boarding
    ended(ledger, "r2", org_generation=1)
    assert seen(ledger) == []
    ledger.write(org, "acme", generation=2)
    ended(ledger, "r3", org_generation=2)
    assert seen(ledger) == ["r3"]
    with ledger.reading() as unit:
        logs = text("SELECT pipeline_logging_id, company_name FROM pipeline_logs_view ORDER BY 1")
        assert unit.rows(logs) == [("r2", None), ("r3", "acme Inc")]


def test_a_run_that_names_no_generation_is_of_who_had_the_slug_when_it_was_accepted_or_was_next_to(ledger, acme):
    ended(ledger, "r1")
    assert seen(ledger) == ["r1"]
    erased(ledger, AT + 2 * HOUR)
    # as an earlier release left the run of an off-boarding
    ended(ledger, "r2", accepted_at=AT + HOUR)
    assert seen(ledger) == []
    # the onboarding itself
    ended(ledger, "r3", accepted_at=AT + 3 * HOUR)
    assert seen(ledger) == ["r3"]
    ledger.write(org, "acme", generation=2, created_at=AT + 4 * HOUR)
    assert seen(ledger) == ["r3"]


@pytest.mark.parametrize("generation", [1, None])
def test_a_step_of_a_run_that_went_with_its_organisation_is_not_written(ledger, acme, generation):
    ledger.write(runs.accept, run("r1", org_generation=generation))
    ledger.write(runs.log_step, step("s1", "r1"))
    erased(ledger, AT)
    ledger.write(org, "acme", generation=2)

    ledger.write(runs.log_step, step("s2", "r1"))

    with ledger.reading() as unit:
        assert unit.rows(select(unit.tables["org_meta_step_logs"].c.step_log_id)) == []


def test_a_generation_lives_until_it_is_erased(ledger, acme):
    assert [ledger.write(orgs.lives, acme, generation) for generation in (1, 2, None)] == [True, False, True]
    ledger.write(orgs.begin_offboarding, acme, AT)
    assert ledger.write(orgs.lives, acme, 1)
    erased(ledger, AT)
    assert [ledger.write(orgs.lives, acme, generation) for generation in (1, 2, None)] == [False, False, True]
