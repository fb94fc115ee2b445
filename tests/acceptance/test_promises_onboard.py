"""Onboarding makes the whole organisation, once, and shows its key once."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.acceptance.observed import PLATFORM_TABLES, TABLES, dataset, files_of, new_slug, problem, rows, steps
from tests.fakes.running import RunningService

HOUSEHOLD = [
    "onboarding_validation_test",
    "x_cost_daily",
    "x_cost_history",
    "x_cost_monthly",
    "x_load_manifests",
    "x_meta_dq_results",
    "x_meta_pipeline_runs",
    "x_meta_step_logs",
    "x_org_profile",
    "x_source_looks",
    "x_source_slices",
]


def test_the_answer_holds_what_was_promised_and_the_plan_defaults_to_starter(service: RunningService):
    slug = new_slug("answered")

    answer = service.onboard(slug)

    made = answer.json()
    assert answer.status_code == 201
    assert set(made) == {
        "status",
        "org_slug",
        "api_key",
        "api_key_fingerprint",
        "subscription_plan",
        "plan",
        "dataset_id",
        "dataset_created",
        "tables_created",
        "views_created",
        "pipeline_logging_id",
    }
    assert made["status"] == "SUCCESS"
    assert made["org_slug"] == slug
    assert made["subscription_plan"] == "STARTER"
    assert made["dataset_id"] == f"{slug}_dev"
    assert made["dataset_created"] is True
    assert sorted(made["tables_created"]) == HOUSEHOLD
    assert made["views_created"] == ["org_comprehensive_view"]
    assert answer.headers["cache-control"] == "no-store"


def test_the_key_has_its_form_and_only_its_hash_is_kept(service: RunningService):
    slug = new_slug("keyed")
    made = service.onboard(slug).json()

    key = made["api_key"]
    (kept,) = rows(service, "SELECT * FROM org_api_keys WHERE org_slug = ?", slug)
    everything = [row for table in (*TABLES, *PLATFORM_TABLES) for row in rows(service, f"SELECT * FROM {table}")]
    digest = hashlib.sha256(key.encode()).hexdigest()
    assert re.fullmatch(rf"{slug}_api_[A-Za-z0-9]{{16}}", key)
    assert made["api_key_fingerprint"] == f"{key[-4:]}-{digest[:8]}"
    assert kept["key_hash"] == digest
    assert kept["fingerprint"] == made["api_key_fingerprint"]
    assert kept["sealed_key"]
    assert (kept["expires_at"], kept["revoked_at"]) == (None, None)
    assert key not in repr(everything)
    assert key[-16:] not in repr(everything)
    assert key not in service.admin("GET", f"/api/v1/organizations/{slug}").text
    assert key not in service.call("GET", f"/api/v1/organizations/{slug}/keys", key=key).text
    assert key not in service.onboard(slug).text


@pytest.mark.parametrize(
    ("plan", "limits"), [(None, (6, 180, 1)), ("STARTER", (6, 180, 1)), ("PROFESSIONAL", (25, 750, 3)), ("SCALE", (100, 3000, 10))]
)
def test_profile_key_subscription_and_zeroed_quotas_are_written(service: RunningService, plan, limits):
    slug = new_slug("rows")
    before = datetime.now(UTC)

    answer = service.onboard(slug, **({} if plan is None else {"subscription_plan": plan}), timezone="Europe/Berlin")

    assert answer.json()["subscription_plan"] == (plan or "STARTER")
    (profile,) = rows(service, "SELECT * FROM org_profiles WHERE org_slug = ?", slug)
    assert (profile["generation"], profile["status"], profile["timezone"]) == (1, "ACTIVE", "Europe/Berlin")
    assert (profile["company_name"], profile["admin_email"]) == (f"Company {slug}", "admin@example.com")
    assert profile["dataset_id"] == f"{slug}_dev"
    assert before <= datetime.fromisoformat(profile["created_at"]) <= datetime.now(UTC)
    (subscription,) = rows(service, "SELECT * FROM org_subscriptions WHERE org_slug = ?", slug)
    assert (subscription["plan_name"], subscription["status"]) == (plan or "STARTER", "ACTIVE")
    assert (subscription["daily_run_limit"], subscription["monthly_run_limit"], subscription["concurrent_run_limit"]) == limits
    (quota,) = rows(service, "SELECT * FROM org_usage_quotas WHERE org_slug = ?", slug)
    assert (quota["pipelines_run_today"], quota["pipelines_run_month"], quota["concurrent_pipelines_running"]) == (0, 0, 0)
    assert quota["last_run_at"] is None
    assert len(rows(service, "SELECT * FROM org_api_keys WHERE org_slug = ?", slug)) == 1
    (view,) = rows(service, "SELECT * FROM org_consolidated_view WHERE org_slug = ?", slug)
    assert (view["plan_name"], view["may_run"], view["daily_run_limit"]) == (plan or "STARTER", "YES", limits[0])


def test_the_dataset_can_be_read_by_anyone_who_holds_the_file(fresh):
    service: RunningService = fresh().bootstrap()
    made = service.onboard("readable", subscription_plan="SCALE", company_name="Größe & Söhne '); --").json()
    service.stop()

    with closing(dataset(service, "readable_dev")) as opened:
        names = {name for (name,) in opened.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()}
        views = {name for (name,) in opened.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
        tested = opened.execute(
            "SELECT org_slug, run_id, message, amount, CAST(written_at AS VARCHAR) FROM onboarding_validation_test"
        ).fetchall()
        shown = opened.execute("SELECT org_slug, company_name, subscription_plan, runs FROM org_comprehensive_view").fetchall()
    assert names >= set(HOUSEHOLD)
    assert views == {"org_comprehensive_view"}
    ((slug, run_id, message, amount, written_at),) = tested
    assert (slug, run_id) == ("readable", made["pipeline_logging_id"])
    assert message
    assert isinstance(amount, Decimal)
    assert amount.as_tuple().exponent == -9
    assert written_at
    assert shown == [("readable", "Größe & Söhne '); --", "SCALE", 0)]


def test_a_taken_slug_is_refused_and_the_answer_names_key_rotation(service: RunningService):
    slug = new_slug("taken")
    key = service.key_of(slug, subscription_plan="SCALE")
    before = {table: rows(service, f"SELECT * FROM {table} WHERE org_slug = ?", slug) for table in ("org_profiles", "org_subscriptions")}

    again = service.onboard(slug, company_name="Somebody Else", subscription_plan="STARTER")

    document = problem(again, 409, "conflict")
    assert f"POST /api/v1/organizations/{slug}/keys/rotate" in document["detail"]
    assert "root key" in document["detail"]
    assert {table: rows(service, f"SELECT * FROM {table} WHERE org_slug = ?", slug) for table in before} == before
    assert len(rows(service, "SELECT * FROM org_api_keys WHERE org_slug = ?", slug)) == 1
    assert service.call("GET", "/api/v1/whoami", key=key).status_code == 200


def test_eight_onboardings_of_one_slug_at_once_make_one_organisation(service: RunningService):
    slug = new_slug("eight")

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda number: service.onboard(slug, company_name=f"Caller {number}"), range(8)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    for refused in (answer for answer in answers if answer.status_code == 409):
        assert f"/api/v1/organizations/{slug}/keys/rotate" in problem(refused, 409, "conflict")["detail"]
    (number,) = [number for number, answer in enumerate(answers) if answer.status_code == 201]
    for table in ("org_profiles", "org_api_keys", "org_subscriptions", "org_usage_quotas"):
        assert len(rows(service, f"SELECT * FROM {table} WHERE org_slug = ?", slug)) == 1
    assert service.admin("GET", f"/api/v1/organizations/{slug}").json()["company_name"] == f"Caller {number}"
    assert service.call("GET", "/api/v1/whoami", key=answers[number].json()["api_key"]).json()["org_slug"] == slug


def test_the_run_and_its_step_are_found_by_the_id_in_the_answer(service: RunningService):
    slug = new_slug("logged")

    run_id = service.onboard(slug).json()["pipeline_logging_id"]

    (run,) = rows(service, "SELECT * FROM pipeline_logs_view WHERE pipeline_logging_id = ?", run_id)
    assert (run["org_slug"], run["status"], run["document"]) == (slug, "SUCCESS", "setup/organizations/onboarding")
    (step,) = steps(service, run_id)
    assert (step["step_id"], step["ps_type"], step["status"]) == ("load_organization", "setup.organizations.onboarding", "SUCCESS")


def test_a_company_name_in_any_script_comes_back_as_it_was(service: RunningService):
    slug = new_slug("scripts")
    name = "東京コスト株式会社 & Ünïcode\u2019s \U0001f680 <b>'\"; --"

    assert service.onboard(slug, company_name=name).status_code == 201

    assert service.admin("GET", f"/api/v1/organizations/{slug}").json()["company_name"] == name
    assert files_of(service, f"{slug}_dev")
