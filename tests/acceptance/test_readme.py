"""The README's own commands, run as printed against a service of its own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.observed import until
from tests.fakes.running import PRINTED, ROOT, ROOT_KEY, RunningService

BLOCK = re.compile(r"## By hand\n(.*?)\n## ", re.DOTALL)


# what a person copies out of an answer
LEARNED = (
    ("organizations/onboard", "ORG_API_KEY", "api_key"),
    ("pipelines/run/", "RUN_ID", "pipeline_logging_id"),
    ("pipelines/backfill/", "BACKFILL_ID", "backfill_id"),
    ("POST $BASE_URL/api/v1/scheduler/customer/", "CONFIG_ID", "config_id"),
    ('"kind": "email"', "CHANNEL_ID", "channel_id"),
    ("acmecorp/webhooks", "SECRET", "secret"),
)


def commands() -> list[str]:
    found = BLOCK.search((ROOT / "README.md").read_text())
    assert found is not None
    code = "\n".join(line[4:] for line in found[1].splitlines() if line.startswith("    "))
    return [command for command in re.split(r"\n(?=\S)", code.replace("\\\n", " ")) if command.startswith("curl")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_every_curl_line_of_the_readme_answers_as_it_says(fresh, tmp_path):
    service: RunningService = fresh(SANDBOX="true")
    environment = {
        "BASE_URL": service.address,
        "CA_ROOT_API_KEY": ROOT_KEY,
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "GCP_KEY": str(service.data / "sandbox" / "credentials" / "gcp-demo.json"),
        "OPENAI_KEY": str(service.data / "sandbox" / "credentials" / "openai-demo.txt"),
        "ORG_API_KEY": "",
        "PRICES": f"{service.address}/api/v1/integrations/acmecorp/openai/pricing",
    }
    environment["SANDBOX_KEYS"] = str(service.data / "sandbox" / "credentials")
    exports = service.data / "sandbox" / "exports"
    for provider in ("anthropic", "deepseek"):
        environment[f"{provider.upper()}_KEY"] = str(service.data / "sandbox" / "credentials" / f"{provider}-demo.txt")
    environment["DEEPSEEK_EXPORT"] = str(sorted(exports.glob("deepseek-demo-*.zip"))[0])
    statuses = []
    for command in commands():
        shown = subprocess.run(
            ["bash", "-c", f"{command} -sS -w '\\n%{{http_code}}'"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
            cwd=tmp_path,
        )
        body, _, status = shown.stdout.rpartition("\n")
        statuses.append(int(status))
        environment |= {name: json.loads(body)[field] for marked, name, field in LEARNED if marked in command}
        holds(service, command, body, environment["ORG_API_KEY"])

    gcp = [200, 200, 200, 201, 200, 200, 202, 200, 200, 200, 200, 200, 200, 200]
    openai = [200, 422, 200, 202, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]
    others = [200, 200, 200, 200, 200, 200, 200, 200]
    schedules = [201, 200, 200]
    notified = [201, 201, 201, 200, 204, 200, 200, 200, 200]
    assert statuses == [*gcp, *openai, *others, *schedules, *notified, 200, 201, 200, 403]
    assert b"anthropic" in (tmp_path / "models.csv").read_bytes()
    assert "our-own-model" in (tmp_path / "prices.csv").read_text()
    assert (tmp_path / "gcp_cost_daily.parquet").read_bytes()[:4] == b"PAR1"


def holds(service: RunningService, command: str, body: str, key: str) -> None:
    """What the words around a command promise."""
    if command.endswith('/$BACKFILL_ID -H "X-API-Key: $ORG_API_KEY"'):
        assert (json.loads(body)["state"], json.loads(body)["progress"]["days"]["done"]) == ("COMPLETED", 92)
    if "/events" in command:
        assert "event: end" in body
    if command.endswith('/$RUN_ID -H "X-API-Key: $ORG_API_KEY"'):
        assert json.loads(body)["status"] == "SUCCESS"
    if "usage_cost?wait=true" in command and '"date"' in command:
        assert json.loads(body)["status"] == "FAILED"
        until(lambda: len(sent(service, key)) == 3)
    if "inbox.txt" in command:
        arrived = [one for one in json.loads(body)["arrived"] if "failed" in one["subject"]]
        assert sorted((one["kind"], one["verified"]) for one in arrived) == [("hooks", True), ("mail", None), ("slack", None)]


def sent(service: RunningService, key: str) -> list[dict[str, Any]]:
    path = "/api/v1/organizations/acmecorp/notifications?type=run.failed&state=SENT"
    found: list[dict[str, Any]] = service.call("GET", path, key=key).json()["notifications"]
    return found


def test_the_two_commands_and_the_customers_start_line_stand_there():
    readme = (ROOT / "README.md").read_text()

    for line in (
        "make demo",
        "make test",
        PRINTED,
        "pip install -r requirements.txt",
    ):
        assert line in readme
