"""A service that is killed when a run has ended: what is to be told of it is told by the next, under the same ids."""

import json
from collections import defaultdict
from pathlib import Path

from tests.acceptance.observed import until
from tests.acceptance.test_bill_journey import credential
from tests.fakes.receiver import receiving
from tests.fakes.running import RunningService

SLUG = "told_corp"
# longer than the test may take: a new start does not wait for the lease of the one that was killed
LONG = {"NOTIFY_TIMEOUT_SECONDS": "60", "SMTP_TIMEOUT_SECONDS": "60"}


def test_killed_before_a_sending_and_after_another_that_was_not_noted_both_arrive_under_one_id(tmp_path: Path):
    with receiving() as receiver:
        service = RunningService(tmp_path / "data", {"SANDBOX": "true", "NOTIFY_INSIDE_HOSTS": receiver.host, **LONG}).start().bootstrap()
        try:
            key = service.key_of(SLUG, subscription_plan="SCALE")
            calls = f"/api/v1/organizations/{SLUG}"
            made = service.call("POST", f"{calls}/webhooks", key=key, json={"name": "Billing", "url": receiver.url()})
            assert made.status_code == 201, made.text
            stored = service.call(
                "POST", f"/api/v1/integrations/{SLUG}/gcp/setup", key=key, json={"credential": credential(service, "demo")}
            )
            assert stored.status_code == 200, stored.text

            receiver.answering.clear()
            ran = [run(service, key, f"2026-09-0{day}") for day in (1, 2)]
            # the first is with its receiver and not noted; the second waits its turn
            first = receiver.wait(1)[0]
            service.kill()
            receiver.answering.set()
            service.start()
            until(lambda: states(service, key) == ["SENT", "SENT"])
        finally:
            service.stop()
        ids = defaultdict(list)
        for arrived in receiver.arrived:
            ids[json.loads(arrived.body)["data"]["pipeline_logging_id"]].append(arrived.headers["webhook-id"])
    assert set(ids) == set(ran)
    assert [len(set(each)) for each in ids.values()] == [1, 1]
    # at least once, and here twice: under the id by which the receiver knows it
    assert ids[ran[0]][0] == first.headers["webhook-id"]
    assert len(ids[ran[0]]) >= 2


def run(service: RunningService, key: str, day: str) -> str:
    answer = service.call("POST", f"/api/v1/pipelines/run/{SLUG}/gcp/cost/billing?wait=true", key=key, json={"date": day})
    assert (answer.status_code, answer.json()["status"]) == (200, "SUCCESS"), answer.text
    return str(answer.json()["pipeline_logging_id"])


def states(service: RunningService, key: str) -> list[str]:
    answer = service.call("GET", f"/api/v1/organizations/{SLUG}/notifications?type=run.succeeded", key=key)
    assert answer.status_code == 200, answer.text
    return [one["state"] for one in answer.json()["notifications"]]
