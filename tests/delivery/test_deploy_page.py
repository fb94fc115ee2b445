"""docs/howto/deploy.md says what the code says."""

import re

import pytest

from setup_bigquery_datasets import PROJECT_ROLES
from tests.delivery.stand_ins import ROOT

PAGE = (ROOT / "docs/howto/deploy.md").read_text()
OF_GOOGLE = {"Permission denied on secret"}
JOIN = re.compile(r'"\s*\n\s*f?"')


def section(title: str) -> list[list[str]]:
    """Cells of a section's table, its head left out."""
    text = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    return rows[1:]


def code() -> str:
    files = [*(ROOT / "src").rglob("*.py"), ROOT / "setup_bigquery_datasets.py"]
    return "\n".join(JOIN.sub("", path.read_text()) for path in files)


def reported() -> list[str]:
    quoted = [word for row in section("IAM permissions") for word in re.findall(r"`([^`]+)`", row[3])]
    return sorted({part for each in quoted for part in each.split(" ... ") if " " in part} - OF_GOOGLE)


@pytest.mark.parametrize("sentence", reported())
def test_what_is_said_of_a_missing_role_is_what_the_code_says(sentence):
    if sentence.startswith("lacks bigquery."):
        assert sentence.removeprefix("lacks ") in PROJECT_ROLES
    else:
        assert sentence.removesuffix("...").strip() in code()


def test_every_role_the_script_gives_is_in_the_table():
    documented = {re.findall(r"`([^`]+)`", row[0])[0] for row in section("IAM permissions")}
    script = (ROOT / "simple_deploy.sh").read_text()
    given = set(re.findall(r"roles/[a-zA-Z.]*[a-zA-Z]", script)) - {"roles/bigquery", "roles/viewer", "roles/secretmanager.viewer"}
    [listed] = re.findall(r"for role in ([\w ]+);", script)
    given |= {f"roles/bigquery.{role}" for role in listed.split()}

    assert given <= documented
    assert set(PROJECT_ROLES.values()) <= documented


@pytest.mark.parametrize(
    "refusal", [word for row in section("Production checklist") for word in re.findall(r"`([^`]+)`", row[0]) if " " in word]
)
def test_every_refusal_of_the_checklist_is_one_of_the_settings(refusal):
    setting, _, said = refusal.rpartition(": ")

    assert said in code()
    assert not setting or setting.endswith("_URL") or f'"{setting}"' in code()


def test_the_jobs_of_the_page_are_those_of_the_script():
    script = (ROOT / "deployment/scheduler_jobs.sh").read_text()
    jobs = re.findall(r"^job (\S+) '([^']+)' (\S+)", script, re.MULTILINE)

    assert len(jobs) == 3
    for name, schedule, path in jobs:
        assert f"convergence-pipeline-stage-{name} --schedule '{schedule}'" in PAGE
        assert f"--uri $BASE_URL{path} " in PAGE


def test_step_2_and_the_example_tell_a_project_for_each_environment():
    assert all("project for each environment" in text for text in (PAGE, (ROOT / "deployment/environment.example").read_text()))


def test_who_deploys_is_told_the_role_that_the_script_asks_for():
    roles = {role for row in section("Who deploys") for role in re.findall(r"`(roles/[^`]+)`", row[1])}

    assert {"roles/secretmanager.viewer", "roles/storage.admin", "roles/cloudscheduler.admin", "roles/logging.viewer"} <= roles


def test_which_routes_are_served_is_as_the_page_says():
    served = set(re.findall(r"^\| `POST (/api/v1/scheduler/\S+)` \|", (ROOT / "docs/reference/api.md").read_text(), re.MULTILINE))

    for route, said in section("Cloud Scheduler"):
        assert said.startswith("served" if route.strip("`").removeprefix("POST ") in served else "not served yet"), route
