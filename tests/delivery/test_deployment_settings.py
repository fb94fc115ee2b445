"""What may stand in deployment/stage.env and prod.env, and what simple_deploy.sh and the scheduler's jobs make of it."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from src.core.base.settings import Settings
from tests.delivery.stand_ins import ROOT, StandIns

DEPLOY = str(ROOT / "simple_deploy.sh")


def names(array: str) -> set[str]:
    script = f'. deployment/settings.sh && printf "%s\\n" "${{{array}[@]}}"'
    return set(subprocess.run(["bash", "-euc", script], cwd=ROOT, text=True, capture_output=True, check=True).stdout.split())


def given(stand_ins: StandIns) -> dict[str, Any]:
    """What the service is given, not its setup."""
    found: dict[str, Any] = [made for made in yaml.safe_load_all(stand_ins.files) if made][-1]
    return found


def test_every_setting_of_the_service_is_passed_on_or_refused_with_a_reason():
    kinds = ("passed_on", "made_here", "not_on_cloud_run", "in_secret_manager")
    listed = sorted(name for kind in (*kinds, "of_scripts") for name in names(kind))

    assert listed == sorted({name.upper() for name in Settings.model_fields} | {"ADMIN_API_KEY"} | names("of_scripts"))


def test_every_setting_of_the_scripts_is_used_by_one_and_stands_in_the_example():
    scripts = (ROOT / "simple_deploy.sh").read_text() + (ROOT / "deployment/scheduler_jobs.sh").read_text()
    example = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / "deployment/environment.example").read_text(), re.MULTILINE))

    assert [name for name in names("of_scripts") if f"${{{name}" not in scripts] == []
    assert names("of_scripts") <= example
    assert example <= names("of_scripts") | names("passed_on")


def test_what_is_set_for_the_service_reaches_it(stand_ins, checkout):
    stand_ins.settings = {}
    checkout.settings(
        "stage", "# ours", "GCP_PROJECT_ID=other", "KMS_KEY_NAME=projects/other/locations/us/keyRings/r/cryptoKeys/stage", "",
        "CORS_ORIGINS='[\"https://a.example\", \"http://localhost:3000\"]'", "TRUSTED_PROXY_HOPS=2", "WORKER_SLOTS=3",
        "LEDGER_CONNECTIONS=5", "RATE_LIMIT_ORG_PER_MINUTE=99", "MAX_INSTANCES=9",
    )  # fmt: skip

    done = stand_ins.run(checkout.deploy, "stage")

    assert done.returncode == 0, done.stderr
    assert given(stand_ins) == {
        "ENVIRONMENT": "staging", "WAREHOUSE": "bigquery", "WORKER_ENABLED": "true", "GCP_PROJECT_ID": "other", "BIGQUERY_LOCATION": "US",
        "KMS_KEY_NAME": "projects/other/locations/us/keyRings/r/cryptoKeys/stage", "ENABLE_API_DOCS": "true",
        "WORKER_DRAIN_SECONDS": "5", "STOP_SECONDS": "4",
        "CORS_ORIGINS": '["https://a.example", "http://localhost:3000"]', "TRUSTED_PROXY_HOPS": "2", "WORKER_SLOTS": "3",
        "LEDGER_CONNECTIONS": "5", "RATE_LIMIT_ORG_PER_MINUTE": "99",
    }  # fmt: skip
    assert "--max-instances=9" in stand_ins.asked_for("run", "deploy")[0]


def test_a_variable_of_the_shell_wins(stand_ins, checkout):
    checkout.settings("stage", "GCP_PROJECT_ID=other", "WORKER_SLOTS=3")
    stand_ins.settings |= {"WORKER_SLOTS": "7"}

    stand_ins.run(checkout.deploy, "stage")

    assert (given(stand_ins)["GCP_PROJECT_ID"], given(stand_ins)["WORKER_SLOTS"]) == ("some-project", "7")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("MAX_INSTANCE=9", ("sets MAX_INSTANCE, which nothing reads", "deployment/environment.example")),
        ("CA_ROOT_API_KEY=admin_x", ("holds CA_ROOT_API_KEY", "Secret Manager")),
        ("LEDGER_URL=postgresql://x", ("holds LEDGER_URL", "Secret Manager")),
        ("ENVIRONMENT=production", ("sets ENVIRONMENT", "take the line out")),
        ("DISABLE_AUTH=true", ("sets DISABLE_AUTH, which cannot be used", "take the line out")),
        ("export LOG_LEVEL=debug", ("not NAME=value: export LOG_LEVEL=debug", "environment.example")),
    ],
)
@pytest.mark.parametrize("script", ["deploy", "jobs"])
def test_a_line_that_would_do_nothing_or_harm_is_refused(stand_ins, checkout, script, line, words):
    checkout.settings("prod", line)

    done = stand_ins.run(getattr(checkout, script), "prod")

    assert done.returncode == 2
    assert all(word in done.stderr for word in ("deployment/prod.env", *words)), done.stderr
    assert stand_ins.asked == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"GCP_PROJECT_ID": ""}, ("GCP_PROJECT_ID is not set", "deployment/prod.env")),
        ({"GCP_PROJECT_ID": "my-project"}, ("GCP_PROJECT_ID still names my-project", "your own project")),
        ({"KMS_KEY_NAME": "projects/my-project/locations/us/keyRings/r/cryptoKeys/k"}, ("KMS_KEY_NAME still names my-project",)),
        ({"KMS_KEY_NAME": "credentials"}, ("KMS_KEY_NAME", "projects/P/locations/L/keyRings/R/cryptoKeys/K")),
        ({"CORS_ORIGINS": ""}, ("CORS_ORIGINS is not set", "CORS_ORIGINS=")),
        ({"CORS_ORIGINS": "*"}, ("CORS_ORIGINS=* lets every page call", "named origins only")),
        ({"CORS_ORIGINS": '["https://a.example", "*"]'}, ("lets every page call", "named origins only")),
        ({"CORS_ORIGINS": "https://a.example"}, ("is not a JSON array", "write it like")),
        ({"CORS_ORIGINS": '["https://a.example/path"]'}, ("is not a JSON array of origins", "no path")),
        ({"CORS_ORIGINS": "[]"}, ("is not a JSON array of origins", "write it like")),
        ({"CORS_ORIGINS": '["https://console.example.com"]'}, ("CORS_ORIGINS still names the origin of deployment/environment.example",)),
        ({"RATE_LIMIT_ENABLED": "false"}, ("RATE_LIMIT_ENABLED=false is refused in production", "unset it")),
        ({"LEDGER": "sqlite"}, ("LEDGER=sqlite", "bigquery or postgresql")),
        ({"LEDGER": "postgresql"}, ("CLOUD_SQL_INSTANCE is not set", "project:region:instance")),
        ({"WORKERS": "2"}, ("WORKERS=2 needs LEDGER=postgresql", "process-queue")),
        ({"WORKERS": "two", "LEDGER": "postgresql", "CLOUD_SQL_INSTANCE": "p:r:i"}, ("WORKERS=two is not a number", "digits")),
        ({"MIN_INSTANCES": "1.5"}, ("MIN_INSTANCES=1.5 is not a number", "digits")),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_its_mend(stand_ins, settings, words):
    stand_ins.settings |= settings

    done = stand_ins.run(DEPLOY, "prod")

    assert done.returncode == 2
    assert all(word in done.stderr for word in words), done.stderr
    assert stand_ins.asked == []


def test_the_example_as_it_is_deploys_nothing(stand_ins, checkout):
    stand_ins.settings = {}
    checkout.settings("stage", *(ROOT / "deployment/environment.example").read_text().splitlines())

    for script in (checkout.deploy, checkout.jobs):
        done = stand_ins.run(script, "stage")
        assert done.returncode == 2
        assert "still names my-project" in done.stderr


def test_stage_may_let_every_page_call(stand_ins):
    stand_ins.settings |= {"CORS_ORIGINS": '["*"]'}

    assert stand_ins.run(DEPLOY, "stage").returncode == 0
    assert given(stand_ins)["CORS_ORIGINS"] == '["*"]'


@pytest.mark.parametrize(("target", "other"), [("stage", "prod"), ("prod", "stage")])
def test_two_environments_may_not_share_a_ledger_in_bigquery(stand_ins, checkout, target, other):
    checkout.settings(other, "GCP_PROJECT_ID=some-project")

    done = stand_ins.run(checkout.deploy, target)

    assert done.returncode == 2
    assert f"deployment/{other}.env names the project some-project too" in done.stderr
    assert "a project for each environment" in done.stderr
    assert stand_ins.asked == []


@pytest.mark.parametrize(
    ("lines", "own"),
    [
        (["GCP_PROJECT_ID=some-project-of-prod"], {}),
        (["GCP_PROJECT_ID=some-project", "LEDGER=postgresql"], {}),
        (["GCP_PROJECT_ID=some-project"], {"LEDGER": "postgresql", "CLOUD_SQL_INSTANCE": "some-project:us-central1:stage"}),
        ([], {}),
    ],
)
def test_ledgers_that_lie_apart_are_none_of_its_business(stand_ins, checkout, lines, own):
    checkout.settings("prod", *lines)
    stand_ins.settings |= own

    done = stand_ins.run(checkout.deploy, "stage")

    assert done.returncode == 0, done.stderr


def test_the_jobs_read_the_same_file(stand_ins, checkout):
    stand_ins.settings = {}
    checkout.settings(
        "stage", "GCP_PROJECT_ID=other", "REGION=europe-west1", "ROOT_KEY_SECRET=ours", "SECRET_VERSION=3", "TIME_ZONE=Europe/Bern"
    )

    done = stand_ins.run(checkout.jobs, "stage")

    assert done.returncode == 0, done.stderr
    assert stand_ins.asked_for("secrets") == [["secrets", "versions", "access", "3", "--secret=ours", "--project=other"]]
    made = stand_ins.asked_for("scheduler", "jobs", "update", "http")
    assert len(made) == 3
    for each in made:
        assert {"--project=other", "--location=europe-west1", "--time-zone=Europe/Bern"} <= set(each)


def test_the_jobs_say_what_is_not_set(stand_ins, checkout):
    stand_ins.settings = {}

    done = stand_ins.run(checkout.jobs, "stage")

    assert done.returncode == 2
    assert "GCP_PROJECT_ID is not set" in done.stderr
    assert "deployment/stage.env" in done.stderr
