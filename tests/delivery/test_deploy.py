"""simple_deploy.sh and the scheduler's jobs, run against a gcloud that only records."""

from typing import Any

import pytest
import yaml

from tests.delivery.stand_ins import ROOT, SECRET, StandIns

DEPLOY = str(ROOT / "simple_deploy.sh")
JOBS = str(ROOT / "deployment/scheduler_jobs.sh")
ACCOUNT = "convergence-pipeline-{}@some-project.iam.gserviceaccount.com"


def flag(command: list[str], name: str) -> str:
    [value] = [each.partition("=")[2] for each in command if each.startswith(f"{name}=")]
    return value


def environments(stand_ins: StandIns) -> list[dict[str, Any]]:
    return [made for made in yaml.safe_load_all(stand_ins.files) if made]


def test_prod_is_deployed_with_everything_it_needs(stand_ins):
    done = stand_ins.run(DEPLOY, "prod")

    assert done.returncode == 0, done.stderr
    [command] = stand_ins.asked_for("run", "deploy")
    assert command[2] == "convergence-pipeline-prod"
    assert {
        "--no-cpu-throttling", "--min-instances=1", "--max-instances=4", "--concurrency=80", "--cpu=2", "--memory=4Gi", "--ingress=all",
        "--args=serve", "--project=some-project", "--region=us-central1", "--port=8080",
    } <= set(command)  # fmt: skip
    assert flag(command, "--service-account") == ACCOUNT.format("prod")
    assert flag(command, "--set-secrets") == "CA_ROOT_API_KEY=convergence-pipeline-prod-root-key:latest"
    assert "httpGet.path=/health/live" in flag(command, "--startup-probe")
    assert "httpGet.path=/health/live" in flag(command, "--liveness-probe")
    [job_environment, environment] = environments(stand_ins)
    assert environment == job_environment
    assert environment == {
        "ENVIRONMENT": "production",
        "GCP_PROJECT_ID": "some-project",
        "BIGQUERY_LOCATION": "US",
        "KMS_KEY_NAME": stand_ins.settings["KMS_KEY_NAME"],
        "WAREHOUSE": "bigquery",
        "CORS_ORIGINS": stand_ins.settings["CORS_ORIGINS"],
        "ENABLE_API_DOCS": "false",
        "TRUSTED_PROXY_HOPS": "1",
        "WORKER_ENABLED": "true",
        "WORKER_DRAIN_SECONDS": "5",
        "STOP_SECONDS": "4",
    }


def test_stage_is_a_service_of_its_own(stand_ins):
    stand_ins.run(DEPLOY, "stage")

    [command] = stand_ins.asked_for("run", "deploy")
    assert command[2] == "convergence-pipeline-stage"
    assert flag(command, "--service-account") == ACCOUNT.format("stage")
    assert environments(stand_ins)[-1]["ENVIRONMENT"] == "staging"


def test_it_builds_sets_up_and_deploys_the_same_image_in_this_order(stand_ins):
    stand_ins.run(DEPLOY, "stage")

    acts = [each[:2] if each[1] != "jobs" else each[:3] for each in stand_ins.asked if each[0] in ("builds", "run")]
    assert acts == [
        ["builds", "submit"],
        ["run", "jobs", "deploy"],
        ["run", "jobs", "execute"],
        ["run", "deploy"],
        ["run", "services"],  # are workers there that are not wanted any more?
        ["run", "services"],
    ]
    [build], [job], [service] = (
        stand_ins.asked_for("builds"),
        stand_ins.asked_for("run", "jobs", "deploy"),
        stand_ins.asked_for("run", "deploy"),
    )
    assert flag(job, "--image") == flag(service, "--image")
    assert flag(service, "--image").startswith("us-central1-docker.pkg.dev/some-project/convergence/convergence-pipeline:")
    assert flag(build, "--substitutions").endswith(f"_TAG={flag(service, '--image').rpartition(':')[2]}")


def test_an_image_that_is_named_is_not_built(stand_ins):
    stand_ins.run(DEPLOY, "stage", "--image", "registry.example/image:7")

    assert not stand_ins.asked_for("builds")
    [command] = stand_ins.asked_for("run", "deploy")
    assert flag(command, "--image") == "registry.example/image:7"


def test_what_could_not_be_set_up_is_not_deployed(stand_ins):
    done = stand_ins.refusing("^run jobs execute").run(DEPLOY, "prod")

    assert done.returncode == 1
    assert not stand_ins.asked_for("run", "deploy")


def test_a_dry_run_prints_and_does_nothing(stand_ins):
    stand_ins.without("gcloud")

    done = stand_ins.run(DEPLOY, "prod", "--dry-run", "--grant")

    assert done.returncode == 0, done.stderr
    assert "+ gcloud run deploy convergence-pipeline-prod " in done.stdout
    assert "# env: ENVIRONMENT: 'production'" in done.stdout
    assert stand_ins.left == []


def test_postgresql_brings_its_socket_its_secret_and_workers(stand_ins):
    stand_ins.settings |= {"LEDGER": "postgresql", "CLOUD_SQL_INSTANCE": "some-project:us-central1:convergence", "WORKERS": "3"}

    done = stand_ins.run(DEPLOY, "prod", "--grant")

    assert done.returncode == 0, done.stderr
    [service, worker] = stand_ins.asked_for("run", "deploy")
    for command in (service, worker, *stand_ins.asked_for("run", "jobs", "deploy")):
        assert flag(command, "--set-cloudsql-instances") == "some-project:us-central1:convergence"
        assert flag(command, "--set-secrets").endswith(",LEDGER_URL=convergence-pipeline-prod-ledger-url:latest")
    assert worker[2] == "convergence-pipeline-prod-worker"
    assert {"--args=worker", "--min-instances=3", "--max-instances=3", "--ingress=internal", "--no-allow-unauthenticated"} <= set(worker)
    assert [each["WORKER_ENABLED"] for each in environments(stand_ins)] == ["false", "false", "true"]
    assert "--role=roles/cloudsql.client" in {argument for each in stand_ins.asked for argument in each}


@pytest.mark.parametrize(
    ("given", "secret", "variable"),
    [
        ({"SMTP_HOST": "smtp.example.com"}, "SMTP_PASSWORD_SECRET", "SMTP_PASSWORD"),
        ({"PLATFORM_AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"}, "AWS_KEY_SECRET", "PLATFORM_AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_what_others_ask_the_service_for_comes_from_its_secret(stand_ins, given: dict[str, str], secret: str, variable: str):
    stand_ins.settings |= {**given, secret: "kept-there"}

    done = stand_ins.run(DEPLOY, "prod", "--grant")

    assert done.returncode == 0, done.stderr
    for command in (*stand_ins.asked_for("run", "deploy"), *stand_ins.asked_for("run", "jobs", "deploy")):
        assert flag(command, "--set-secrets").endswith(f",{variable}=kept-there:latest")
    assert given.items() <= environments(stand_ins)[-1].items()
    assert [each for each in stand_ins.asked_for("secrets", "add-iam-policy-binding") if "kept-there" in each]


@pytest.mark.parametrize("there", [True, False])
def test_workers_that_are_not_wanted_any_more_are_taken_away_after_the_api_works_itself(stand_ins, there):
    (stand_ins.folder / "services").write_text("convergence-pipeline-prod-worker\n" if there else "")

    done = stand_ins.run(DEPLOY, "prod")

    assert done.returncode == 0, done.stderr
    removed = stand_ins.asked_for("run", "services", "delete")
    assert [each[3] for each in removed] == ["convergence-pipeline-prod-worker"] * there
    if there:
        [api] = stand_ins.asked_for("run", "deploy")
        assert stand_ins.asked.index(api) < stand_ins.asked.index(removed[0])


def test_a_dry_run_says_that_workers_would_be_taken_away(stand_ins):
    done = stand_ins.run(DEPLOY, "prod", "--dry-run")

    assert "where convergence-pipeline-prod-worker is there:\n+ gcloud run services delete convergence-pipeline-prod-worker " in done.stdout
    assert stand_ins.asked == []


def test_grant_makes_what_is_missing_and_gives_the_roles(stand_ins):
    stand_ins.refusing("^artifacts repositories describe", "^iam service-accounts describe").run(DEPLOY, "stage", "--grant")

    assert [each[3] for each in stand_ins.asked_for("artifacts", "repositories", "create")] == ["convergence"]
    assert [each[3] for each in stand_ins.asked_for("iam", "service-accounts", "create")] == ["convergence-pipeline-stage"]
    granted = [each for each in stand_ins.asked if "add-iam-policy-binding" in each]
    assert {flag(each, "--member") for each in granted} == {f"serviceAccount:{ACCOUNT.format('stage')}"}
    assert sorted(flag(each, "--role") for each in granted) == [
        "roles/bigquery.jobUser",
        "roles/bigquery.readSessionUser",
        "roles/bigquery.user",
        "roles/cloudkms.cryptoKeyEncrypterDecrypter",
        "roles/secretmanager.secretAccessor",
    ]


def test_grant_makes_nothing_twice(stand_ins):
    stand_ins.run(DEPLOY, "stage", "--grant")

    assert not [each for each in stand_ins.asked if "create" in each]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("^projects describe", "mend GCP_PROJECT_ID"),
        ("^secrets describe convergence-pipeline-prod-root-key", "docs/howto/deploy.md#secrets"),
    ],
)
def test_what_is_not_in_the_cloud_is_refused_with_its_mend(stand_ins, pattern, words):
    done = stand_ins.refusing(pattern).run(DEPLOY, "prod")

    assert done.returncode == 2
    assert words in done.stderr
    assert not stand_ins.asked_for("run") + stand_ins.asked_for("builds")


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ("ERROR: NOT_FOUND: Secret [projects/7/secrets/key] not found.", "deploy.md#secrets"),
        ("ERROR: PERMISSION_DENIED: Permission 'secretmanager.secrets.get' denied", "looking takes roles/secretmanager.viewer"),
        ("ERROR: PERMISSION_DENIED: Secret Manager API has not been used in project 7 before", "gcloud services enable secretmanager"),
        ("ERROR: the wire is cut", "mend what gcloud says"),
    ],
)
def test_why_a_secret_was_not_seen_is_said_in_gclouds_own_words(stand_ins, said, mend):
    done = stand_ins.refusing("^secrets describe", words=said).run(DEPLOY, "prod")

    assert done.returncode == 2
    assert said in done.stderr
    assert mend in done.stderr
    assert ("is not in Secret Manager" in done.stderr) == ("NOT_FOUND" in said)


def test_without_gcloud_or_its_login_it_says_how_to_get_them(stand_ins):
    (stand_ins.folder / "account").write_text("")
    assert "gcloud auth login" in stand_ins.run(DEPLOY, "prod").stderr

    done = stand_ins.without("gcloud").run(DEPLOY, "prod")

    assert done.returncode == 2
    assert "install the Google Cloud CLI" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("production",), ("stage", "--force")])
def test_other_words_get_the_usage(stand_ins, arguments):
    done = stand_ins.run(DEPLOY, *arguments)

    assert done.returncode == 2
    assert "usage: ./simple_deploy.sh stage|prod" in done.stderr


@pytest.mark.parametrize("arguments", [("stage", "--image"), ("stage", "--image", ""), ("stage", "--image", "--dry-run")])
def test_an_image_without_a_name_is_told(stand_ins, arguments):
    done = stand_ins.run(DEPLOY, *arguments)

    assert done.returncode == 2
    assert "--image takes the image's full name" in done.stderr
    assert stand_ins.asked == []


def test_scheduler_jobs_are_the_three_of_the_contract(stand_ins):
    stand_ins.refusing("^scheduler jobs describe").run(JOBS, "prod")

    made = stand_ins.asked_for("scheduler", "jobs", "create", "http")
    assert [(each[4], flag(each, "--schedule"), flag(each, "--uri"), flag(each, "--http-method")) for each in made] == [
        ("convergence-pipeline-prod-trigger", "0 * * * *", "https://service.example/api/v1/scheduler/trigger", "POST"),
        ("convergence-pipeline-prod-process-queue", "*/5 * * * *", "https://service.example/api/v1/scheduler/process-queue", "POST"),
        (
            "convergence-pipeline-prod-reset-daily-quotas",
            "0 0 * * *",
            "https://service.example/api/v1/scheduler/reset-daily-quotas",
            "POST",
        ),
    ]


def test_jobs_that_are_there_are_brought_up_to_date(stand_ins):
    done = stand_ins.run(JOBS, "stage")

    assert done.returncode == 0, done.stderr
    assert not stand_ins.asked_for("scheduler", "jobs", "create")
    assert len(stand_ins.asked_for("scheduler", "jobs", "update", "http")) == 3


@pytest.mark.parametrize(("refused", "heading"), [("^scheduler jobs describe", "--headers"), ("^nothing", "--update-headers")])
def test_the_root_key_goes_through_a_file_and_leaves_nothing(stand_ins, refused, heading):
    done = stand_ins.refusing(refused).run(JOBS, "prod")

    assert environments(stand_ins) == [{heading: {"X-CA-Root-Key": SECRET, "X-User-ID": "cloud-scheduler"}}] * 3
    assert SECRET not in done.stdout + done.stderr
    assert not [argument for each in stand_ins.asked for argument in each if SECRET in argument]
    assert stand_ins.left == []
