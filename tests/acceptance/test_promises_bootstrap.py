"""Bootstrap makes the management tables and views, adds what they lack, and says what it did."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.acceptance.observed import PLATFORM_TABLES, PLATFORM_VIEWS, TABLES, VIEWS, change, problem, rows
from tests.fakes.running import RunningService

BOOTSTRAP = "/api/v1/admin/bootstrap"
NOTHING_NEW = {
    "status": "SUCCESS",
    "dataset": "organizations",
    "tables_created": [],
    "columns_added": [],
    "views_created": [],
    "platform_tables_created": [],
    "platform_views_created": [],
}
FIELDS = {*NOTHING_NEW, "tables_existing", "views_existing", "platform_tables_existing", "platform_views_existing"}


def only_existing(answer: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in answer.items() if not name.endswith("_existing")}


def test_the_first_bootstrap_makes_all_and_the_second_nothing(fresh):
    service: RunningService = fresh()

    first = service.admin("POST", BOOTSTRAP, {"force_recreate_dataset": False})
    second = service.admin("POST", BOOTSTRAP, {"force_recreate_dataset": False})
    bodyless = service.admin("POST", BOOTSTRAP)
    empty = service.admin("POST", BOOTSTRAP, {})

    assert first.status_code == 200
    assert set(first.json()) == FIELDS
    assert first.json()["status"] == "SUCCESS"
    assert first.json()["dataset"] == "organizations"
    assert sorted(first.json()["tables_created"]) == sorted(TABLES)
    assert sorted(first.json()["views_created"]) == sorted(VIEWS)
    assert sorted(first.json()["platform_tables_created"]) == sorted(PLATFORM_TABLES)
    assert sorted(first.json()["platform_views_created"]) == sorted(PLATFORM_VIEWS)
    assert (first.json()["tables_existing"], first.json()["views_existing"], first.json()["columns_added"]) == ([], [], [])
    assert (first.json()["platform_tables_existing"], first.json()["platform_views_existing"]) == ([], [])
    for again in (second, bodyless, empty):
        assert again.status_code == 200
        assert set(again.json()) == FIELDS
        assert only_existing(again.json()) == NOTHING_NEW
        assert sorted(again.json()["tables_existing"]) == sorted(TABLES)
        assert sorted(again.json()["views_existing"]) == sorted(VIEWS)
        assert sorted(again.json()["platform_tables_existing"]) == sorted(PLATFORM_TABLES)
        assert sorted(again.json()["platform_views_existing"]) == sorted(PLATFORM_VIEWS)
    in_file = {row["name"]: row["type"] for row in rows(service, "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')")}
    assert {name for name, kind in in_file.items() if kind == "table"} >= {*TABLES, *PLATFORM_TABLES}
    assert {name for name, kind in in_file.items() if kind == "view"} == {*VIEWS, *PLATFORM_VIEWS}


def test_eight_bootstraps_at_once_all_succeed_and_make_each_table_once(fresh):
    service: RunningService = fresh()

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: service.admin("POST", BOOTSTRAP), range(8)))

    assert [answer.status_code for answer in answers] == [200] * 8
    assert sorted(name for answer in answers for name in answer.json()["tables_created"]) == sorted(TABLES)
    assert service.onboard("after_eight").status_code == 201


def test_what_is_missing_is_told_and_added_again(fresh):
    service: RunningService = fresh().bootstrap()
    key = service.key_of("upgraded")
    service.stop()
    change(
        service,
        "ALTER TABLE org_profiles DROP COLUMN offboarding_at",
        "ALTER TABLE org_meta_pipeline_runs DROP COLUMN progress",
        "DROP TABLE org_cost_tracking",
        "DROP VIEW step_logs_view",
        "DROP TABLE org_invoices",
        "DROP VIEW org_cloud_credentials",
    )
    service.start()
    before = service.call("GET", "/health/ready")
    refused = service.onboard("too_early")

    answer = service.admin("POST", BOOTSTRAP, {"force_recreate_dataset": False})

    assert before.status_code == 503
    assert "bootstrap" in before.json()["detail"]
    assert "/api/v1/admin/bootstrap" in problem(refused, 503, "misconfigured")["detail"]
    assert answer.status_code == 200
    assert sorted(answer.json()["columns_added"]) == ["org_meta_pipeline_runs.progress", "org_profiles.offboarding_at"]
    assert answer.json()["tables_created"] == ["org_cost_tracking"]
    assert answer.json()["views_created"] == ["step_logs_view"]
    assert answer.json()["platform_tables_created"] == ["org_invoices"]
    assert answer.json()["platform_views_created"] == ["org_cloud_credentials"]
    assert sorted(answer.json()["tables_existing"]) == sorted(set(TABLES) - {"org_cost_tracking"})
    assert sorted(answer.json()["views_existing"]) == sorted(set(VIEWS) - {"step_logs_view"})
    assert service.call("GET", "/api/v1/whoami", key=key).json()["org_slug"] == "upgraded"
    assert service.admin("DELETE", "/api/v1/organizations/upgraded", {"confirm": "upgraded"}).status_code == 200


def test_a_required_column_comes_back_to_a_table_that_has_rows(fresh):
    service: RunningService = fresh().bootstrap()
    service.key_of("grown_up")
    service.stop()
    change(service, "ALTER TABLE org_usage_quotas DROP COLUMN updated_at")
    service.start()

    answer = service.admin("POST", BOOTSTRAP)

    assert answer.status_code == 200, answer.text
    assert answer.json()["columns_added"] == ["org_usage_quotas.updated_at"]
    assert service.onboard("after_the_upgrade").status_code == 201


def test_force_rebuilds_the_tables_and_leaves_every_dataset(fresh):
    service: RunningService = fresh().bootstrap()
    key = service.key_of("forgotten")
    assert service.call("GET", "/api/v1/whoami", key=key).status_code == 200
    files = sorted(path for path in (service.data / "warehouse").rglob("*") if "forgotten_dev" in str(path) and path.suffix == ".duckdb")

    answer = service.admin("POST", BOOTSTRAP, {"force_recreate_dataset": True})

    assert answer.status_code == 200
    assert sorted(answer.json()["tables_created"]) == sorted(TABLES)
    assert sorted(answer.json()["views_created"]) == sorted(VIEWS)
    assert sorted(answer.json()["platform_tables_created"]) == sorted(PLATFORM_TABLES)
    assert sorted(answer.json()["platform_views_created"]) == sorted(PLATFORM_VIEWS)
    assert (answer.json()["tables_existing"], answer.json()["views_existing"]) == ([], [])
    assert service.call("GET", "/api/v1/whoami", key=key).status_code == 401
    assert service.admin("GET", "/api/v1/organizations").json() == {"organizations": [], "next_cursor": None}
    assert files
    assert all(path.exists() for path in files)
    again = service.onboard("forgotten")
    assert again.status_code == 201
    assert again.json()["dataset_created"] is False
    assert service.call("GET", "/api/v1/whoami", key=key).status_code == 401
    assert service.call("GET", "/api/v1/whoami", key=again.json()["api_key"]).status_code == 200


def test_a_value_of_the_wrong_type_is_refused(service: RunningService):
    values: tuple[Any, ...] = ("yes please", 7, [], {})
    for value in values:
        document = problem(service.admin("POST", BOOTSTRAP, {"force_recreate_dataset": value}), 422, "rejected")
        assert document["errors"][0]["field"] == "force_recreate_dataset"
