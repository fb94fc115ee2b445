"""Pipelines that run by themselves, on running services."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from src.app.config import Settings
from src.app.service import create_app
from tests.acceptance.observed import until
from tests.fakes.running import ROOT_KEY, RunningService

# as the customer's own table has them
CALLS = """
- `POST /api/v1/scheduler/trigger` - Trigger due pipelines
- `POST /api/v1/scheduler/process-queue` - Process next queued pipeline
- `POST /api/v1/scheduler/reset-daily-quotas` - Reset daily counters
- `GET /api/v1/scheduler/status` - Scheduler metrics
- `GET /api/v1/scheduler/customer/{tenant_id}/pipelines` - List configs
- `POST /api/v1/scheduler/customer/{tenant_id}/pipelines` - Create config
- `DELETE /api/v1/scheduler/customer/{tenant_id}/pipelines/{config_id}` - Delete config
"""
TABLE = re.findall(r"`(\w+) ([^`]+)`", CALLS)
DOCUMENT = "openai/subscriptions"


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that keeps the time."""
    running = RunningService(tmp_path_factory.mktemp("keeping") / "data", {"SCHEDULER_ENABLED": "true"}).start()
    try:
        yield running.bootstrap()
    finally:
        running.stop()


def soon(seconds: float = 1.0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def schedule(service: RunningService, slug: str, key: str, **more: str) -> str:
    body = {"document": DOCUMENT, "schedule_cron": "* * * * *", **more}
    answer = service.call("POST", f"/api/v1/scheduler/customer/{slug}/pipelines", key=key, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["config_id"])


def customer(service: RunningService, slug: str) -> str:
    """With the book that the pipeline reads."""
    key = service.key_of(slug)
    assert service.call("POST", f"/api/v1/integrations/{slug}/openai/subscriptions/reset", key=key).status_code == 200
    return key


def runs(service: RunningService, slug: str, key: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = service.call("GET", f"/api/v1/pipelines/runs/{slug}?trigger=schedule", key=key).json()["runs"]
    return found


def ended(found: list[dict[str, object]]) -> bool:
    return any(run["ended_at"] for run in found)


def test_the_customers_table_of_calls_is_served():
    served = create_app(Settings(ca_root_api_key=ROOT_KEY, _env_file=None)).openapi()["paths"]

    assert len(TABLE) == 7
    for method, path in TABLE:
        assert method.lower() in served[path.replace("{tenant_id}", "{org_slug}")]


def test_each_of_them_answers(service: RunningService):
    key = service.key_of("table_org")
    config_id = schedule(service, "table_org", key)
    answers = {}
    for method, path in TABLE:
        at = path.format(tenant_id="table_org", config_id=config_id)
        body = {"document": DOCUMENT, "schedule_cron": "0 4 2 * *"} if (method, path[-9:]) == ("POST", "pipelines") else None
        answers[f"{method} {path}"] = service.admin(method, at, body).status_code

    assert sorted(answers.values()) == [200, 200, 200, 200, 200, 201, 202]


def test_a_schedule_runs_at_its_time_by_itself(keeping: RunningService):
    key = customer(keeping, "timely_org")
    schedule(keeping, "timely_org", key, next_run_time=soon())

    until(lambda: ended(runs(keeping, "timely_org", key)))

    run = runs(keeping, "timely_org", key)[-1]
    assert run["status"] == "SUCCESS"
    assert (run["document"], run["user_id"], run["trigger"]) == (DOCUMENT, None, "schedule")
    status = keeping.admin("GET", "/api/v1/scheduler/status").json()
    assert status["clock"]["here"]
    assert status["today"]["failed"] == 0


def test_what_fell_due_while_nothing_ran_here_runs_once_when_it_does_again(fresh):
    service = fresh(SCHEDULER_ENABLED="false").bootstrap()
    key = customer(service, "missed_org")
    schedule(service, "missed_org", key, schedule_cron="0 0 1 1 *", next_run_time=soon(-60))
    service.kill()
    service.settings["SCHEDULER_ENABLED"] = "true"
    service.start()

    until(lambda: ended(runs(service, "missed_org", key)))

    assert [run["status"] for run in runs(service, "missed_org", key)] == ["SUCCESS"]
