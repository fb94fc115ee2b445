"""A run of the real pipeline against the sandbox, asked for, followed and read over HTTP."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import httpx2
import pytest

from tests.acceptance.observed import change, new_slug, problem
from tests.acceptance.test_bill_journey import credential
from tests.fakes.running import RunningService

RUN = "/api/v1/pipelines/run/{}/gcp/cost/billing"


def connected(service: RunningService, stem: str = "run", **more: str) -> tuple[str, str]:
    slug = new_slug(stem)
    key = service.key_of(slug, **more)
    answer = service.call("POST", f"/api/v1/integrations/{slug}/gcp/setup", key=key, json={"credential": credential(service, "demo")})
    assert answer.status_code == 200, answer.text
    return slug, key


def events(text: str) -> list[tuple[str, Any]]:
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block.startswith("event: ")]
    return [(block["event"], json.loads(block["data"])) for block in blocks]


def followed(service: RunningService, key: str, path: str, begun: threading.Event | None = None) -> list[tuple[str, Any]]:
    with (
        httpx2.Client(base_url=service.address, timeout=60, trust_env=False, verify=False) as client,
        client.stream("GET", path, headers={"X-API-Key": key}) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = ""
        for piece in answer.iter_text():
            text += piece
            if begun is not None and "\ndata: " in text:
                begun.set()
        return events(text)


def test_a_run_is_accepted_followed_to_its_end_and_read(sandboxed):
    slug, key = connected(sandboxed)
    accepted = sandboxed.call("POST", RUN.format(slug), key=key, json={"start_date": "2026-09-01", "end_date": "2026-09-03"})
    assert accepted.status_code == 202, accepted.text
    told = followed(sandboxed, key, accepted.json()["links"]["events"])

    assert [name for name, _ in told] == ["progress"] * (len(told) - 1) + ["end"]
    assert told[-1][1]["status"] == "SUCCESS", told[-1]
    run = sandboxed.call("GET", accepted.headers["location"], key=key).json()
    assert (run["status"], run["progress"]["percent"], run["error"]) == ("SUCCESS", 100.0, None)
    assert [step["step_id"] for step in run["steps"]] == ["validate_credential", "validate_export", "load_billing"]
    assert run["manifests"]
    for manifest in run["manifests"]:
        assert manifest["totals"]
        assert manifest["window"] == {"start": "2026-09-01", "end": "2026-09-03"}
    assert run["totals"]["rows_read"] > 0
    assert run["data_quality"]["results"]
    assert run["data_quality"]["critical"] == 0
    text = sandboxed.call("GET", run["links"]["logs"], key=key, Accept="text/plain").text.splitlines()
    assert " run.accepted " in text[0]
    assert " run.finished " in text[-1]
    assert [line.split()[0] for line in text] == sorted(line.split()[0] for line in text)
    lines = sandboxed.call("GET", run["links"]["logs"], key=key).json()
    assert (len(lines["lines"]), lines["next_cursor"]) == (len(text), None)


def test_waiting_answers_with_the_run_whatever_became_of_it(sandboxed):
    slug, key = connected(sandboxed)
    # as a torn disk leaves it: it is there, and does not open
    change(sandboxed, f"UPDATE org_integration_credentials SET encrypted_credential = 'torn' WHERE org_slug = '{slug}'")

    failed = sandboxed.call("POST", RUN.format(slug) + "?wait=true", key=key, json={"date": "2026-09-01"})

    assert failed.status_code == 200
    assert failed.json()["status"] == "FAILED"
    assert failed.json()["error"]["message"]
    assert failed.json()["manifests"] == []
    assert failed.json() == sandboxed.call("GET", failed.headers["location"], key=key).json()


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Nobody works here, so a run that is admitted keeps its slot."""
    running = RunningService(tmp_path_factory.mktemp("idle") / "data", {"SANDBOX": "true", "WORKER_ENABLED": "false"}).start()
    try:
        yield running.bootstrap()
    finally:
        running.stop()


@pytest.mark.parametrize(("plan", "concurrent"), [("STARTER", 1), ("PROFESSIONAL", 3), ("SCALE", 10)])
async def test_of_two_hundred_at_once_exactly_as_many_are_admitted_as_the_plan_allows(idle, plan, concurrent):
    slug, key = connected(idle, "crowd", subscription_plan=plan)
    first = date(2026, 1, 1)
    async with httpx2.AsyncClient(base_url=idle.address, timeout=600, trust_env=False, verify=False, headers={"X-API-Key": key}) as client:
        asked = [client.post(RUN.format(slug), json={"date": str(first + timedelta(days=day))}) for day in range(200)]
        answers = await asyncio.gather(*asked)

    accepted = [answer.json()["pipeline_logging_id"] for answer in answers if answer.status_code == 202]
    refused = [problem(answer, 429, "quota-exceeded") for answer in answers if answer.status_code != 202]
    assert len(set(accepted)) == len(accepted) == concurrent
    assert {(one["reason"], one["limit"], one["used"]) for one in refused} == {("concurrent", concurrent, concurrent)}
    listed = idle.call("GET", f"/api/v1/pipelines/runs/{slug}?state=QUEUED", key=key).json()["runs"]
    assert {run["pipeline_logging_id"] for run in listed} == set(accepted)


async def test_the_same_request_a_hundred_times_at_once_is_one_run(idle):
    slug, key = connected(idle, "echo")
    async with httpx2.AsyncClient(base_url=idle.address, timeout=600, trust_env=False, verify=False, headers={"X-API-Key": key}) as client:
        answers = await asyncio.gather(*(client.post(RUN.format(slug), json={"date": "2026-01-01"}) for _ in range(100)))

    told = [answer.json() for answer in answers]
    assert {answer.status_code for answer in answers} == {202}
    assert len({one["pipeline_logging_id"] for one in told}) == 1
    assert [one["reused"] for one in told].count(False) == 1


def test_a_service_told_to_stop_lets_go_of_its_streams(tmp_path):
    service = RunningService(tmp_path / "data", {"SANDBOX": "true", "WORKER_ENABLED": "false"}).start().bootstrap()
    slug, key = connected(service, "stop")
    run = service.call("POST", RUN.format(slug), key=key).json()
    begun = threading.Event()
    with ThreadPoolExecutor(1) as reader:
        told = reader.submit(followed, service, key, run["links"]["events"], begun)
        begun.wait(60)
        service.stop()

    assert [name for name, _ in told.result()] == ["progress"]
