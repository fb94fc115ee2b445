import json
import shutil
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from src.core.base.faults import Misconfigured
from src.core.ledger.store import open_ledger
from src.core.ledger.tables import orgs, quotas, runs, subscriptions
from tests.contract.ledger.rivals import race
from tests.contract.ledger.samples import AT, TODAY, org, put, row_of, run, step

VIEWS = ("org_consolidated_view", "pipeline_logs_view", "step_logs_view")
PLATFORM_VIEWS = ("org_cloud_credentials",)


def test_nothing_is_there_before_and_everything_after(empty):
    assert len(empty.missing()) == 24
    result = empty.bootstrap()
    assert (len(result.tables_created), result.views_created) == (14, VIEWS)
    assert (len(result.platform_tables_created), result.platform_views_created) == (6, PLATFORM_VIEWS)
    assert (result.tables_existing, result.columns_added, result.views_existing) == ((), (), ())
    assert empty.missing() == ()


def test_again_it_changes_nothing(ledger, acme):
    result = ledger.bootstrap()
    assert (len(result.tables_existing), result.views_existing) == (14, VIEWS)
    assert (len(result.platform_tables_existing), result.platform_views_existing) == (6, PLATFORM_VIEWS)
    assert (result.tables_created, result.columns_added, result.views_created) == ((), (), ())
    assert (result.platform_tables_created, result.platform_views_created) == ((), ())
    assert ledger.read(orgs.get, acme) is not None


def test_force_begins_anew(ledger, acme):
    result = ledger.bootstrap(force=True)
    assert (len(result.tables_created), len(result.views_created), result.tables_existing) == (14, 3, ())
    assert (len(result.platform_tables_created), result.platform_views_created, result.platform_tables_existing) == (6, PLATFORM_VIEWS, ())
    assert ledger.missing() == ()
    assert ledger.read(orgs.get, acme) is None


def test_what_follows_is_of_the_same_transaction(ledger, acme):
    def follow(unit, made):
        assert len(made.tables_created) == 14
        assert org(unit, "next")

    ledger.bootstrap(force=True, then=follow)
    assert [found.org_slug for found in ledger.read(orgs.page, after=None, limit=9)] == ["next"]


@pytest.mark.parametrize("stop", [KeyError, KeyboardInterrupt, Misconfigured])
def test_when_what_follows_breaks_nothing_was_dropped(ledger, acme, stop):
    def break_off(unit, made):
        assert not orgs.taken(unit, acme)
        raise stop("here")

    with pytest.raises(stop):
        ledger.bootstrap(force=True, then=break_off)
    assert ledger.missing() == ()
    assert ledger.read(orgs.get, acme) is not None


def test_a_table_or_view_that_went_missing_comes_back(ledger, acme):
    with ledger.writing() as unit:
        for statement in ("DROP VIEW step_logs_view", "DROP TABLE org_meta_step_logs"):
            unit.change(text(statement))
    assert ledger.missing() == ("org_meta_step_logs", "step_logs_view")
    result = ledger.bootstrap()
    assert (result.tables_created, result.views_created) == (("org_meta_step_logs",), ("step_logs_view",))
    assert ledger.read(orgs.get, acme) is not None


def test_before_bootstrap_every_use_says_to_bootstrap(empty):
    with pytest.raises(Misconfigured, match="POST /api/v1/admin/bootstrap"):
        empty.read(orgs.get, "acme")
    with pytest.raises(Misconfigured, match="POST /api/v1/admin/bootstrap"):
        empty.write(org, "acme")


@pytest.mark.process
def test_two_processes_at_once_make_each_table_once(empty, settings):
    created = race("bootstrap", settings, processes=2, threads=2)
    told, there = Counter(name for names in created for name in names), Counter(empty.bootstrap().tables_existing)
    assert told == there
    assert empty.missing() == ()


@pytest.fixture
def older(settings, tmp_path):
    """The configuration of an earlier release: two columns, an index and a view's line fewer."""
    configs = tmp_path / "older"
    shutil.copytree(settings.configs_dir / "setup" / "bootstrap", configs / "setup" / "bootstrap")
    shutil.copytree(settings.configs_dir / "system", configs / "system")
    folder = configs / "setup" / "bootstrap"
    for table, column in (("org_profiles", "timezone"), ("org_meta_pipeline_runs", "attempt")):
        file = folder / "schemas" / f"{table}.json"
        file.write_text(json.dumps([field for field in json.loads(file.read_text()) if field["name"] != column]))
    config = folder / "config.yml"
    config.write_text(config.read_text().replace("    unique: [[active_key], [org_slug, idempotency_key]]\n", ""))
    for view, column in (("org_consolidated_view", "p.timezone"), ("pipeline_logs_view", "r.attempt")):
        file = folder / "views" / f"{view}.sql"
        file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if column not in line))
    return settings.model_copy(update={"configs_dir": configs})


def test_what_a_newer_release_adds_is_added_and_what_is_there_stays(older, settings):
    earlier = open_ledger(older)
    earlier.bootstrap()
    with earlier.writing() as unit:
        profiles = unit.tables["org_profiles"]
        stamps = {"created_at": AT, "updated_at": AT}
        assert unit.insert_once(profiles, {"org_slug": "acme", "generation": 1, "status": "ACTIVE", **stamps})
    now = open_ledger(settings)
    with pytest.raises(Misconfigured, match="bootstrap"):
        now.read(orgs.get, "acme")
    result = now.bootstrap()
    assert result.columns_added == ("org_profiles.timezone", "org_meta_pipeline_runs.attempt")
    assert (result.tables_created, result.views_created) == ((), ())
    with now.reading() as unit:
        profile = unit.tables["org_profiles"].c
        assert unit.rows(select(profile.org_slug, profile.created_at, profile.timezone)) == [("acme", AT, None)]
    assert now.write(runs.accept, run("r1", active_key="x"))
    assert not now.write(runs.accept, run("r2", active_key="x"))
    with now.reading() as unit:
        assert unit.rows(text("SELECT timezone FROM org_consolidated_view")) == [(None,)]
    assert now.bootstrap().columns_added == ()
    # the earlier release goes on working beside it
    with earlier.reading() as unit:
        assert unit.first(select(unit.tables["org_profiles"].c.org_slug)) == ("acme",)
    earlier.close()
    now.close()


def test_views_answer(ledger, acme):
    with ledger.writing() as unit:
        org(unit, "gone")
        orgs.erase(unit, "gone", AT)
        org(unit, "gone", generation=2)
        runs.accept(unit, run("r1"))
        runs.accept(unit, run("r2", None))
        runs.begin(unit, "r1", AT)
        runs.finish(unit, "r1", status="SUCCESS", at=AT, rows_processed=5)
        runs.log_step(unit, step("s1", "r1"))
        put(unit, unit.tables["org_meta_step_logs"], row_of(unit.tables["org_meta_step_logs"], "acme") | {"step_log_id": "s2"})
    with ledger.reading() as unit:
        consolidated = text(
            "SELECT org_slug, plan_name, may_run, daily_run_limit, pipelines_run_today FROM org_consolidated_view ORDER BY 1"
        )
        assert unit.rows(consolidated) == [("acme", "SCALE", "YES", 100, 0), ("gone", "SCALE", "YES", 100, 0)]
        logs = text("SELECT pipeline_logging_id, company_name, is_over, rows_processed FROM pipeline_logs_view ORDER BY 1")
        assert unit.rows(logs) == [("r1", "acme Inc", "YES", 5), ("r2", None, "NO", 0)]
        steps = text("SELECT step_log_id, run_status, rows_processed FROM step_logs_view ORDER BY 1")
        assert unit.rows(steps) == [("s1", "SUCCESS", 3), ("s2", None, 7)]


def test_the_credentials_answer_to_the_older_name_and_to_the_older_word_for_googles(ledger, acme):
    with ledger.writing() as unit:
        table = unit.tables["org_integration_credentials"]
        for provider in ("gcp", "openai"):
            one = {"credential_id": provider, "provider": provider, "encrypted_credential": f"sealed {provider}"}
            put(unit, table, row_of(table, acme) | one)
    with ledger.reading() as unit:
        older = text("SELECT encrypted_credential FROM org_cloud_credentials WHERE org_slug = 'acme' AND provider = 'GCP_SA'")
        assert unit.rows(older) == [("sealed gcp",)]
        assert unit.rows(text("SELECT provider FROM org_cloud_credentials ORDER BY 1")) == [("GCP_SA",), ("openai",)]


def test_the_view_says_that_a_trial_is_over_once_the_organisations_day_is_past_it(ledger, acme):
    shown = text("SELECT may_run FROM org_consolidated_view")

    def may_run():
        with ledger.reading() as unit:
            return unit.rows(shown)[0][0]

    ledger.write(subscriptions.set_status, acme, "TRIAL", AT)
    assert may_run() == "YES"
    ledger.write(subscriptions.set_trial_end, acme, TODAY, AT)
    ledger.write(quotas.roll_over, "UTC", day=TODAY, at=AT)
    assert may_run() == "YES"
    ledger.write(quotas.roll_over, "UTC", day=TODAY + timedelta(days=1), at=AT)
    assert may_run() == "NO"
    ledger.write(subscriptions.set_status, acme, "ACTIVE", AT)
    assert may_run() == "YES"
