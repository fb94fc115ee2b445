"""How the service starts, and how it says why it does not."""

import socket
import subprocess
import sys

import pytest

from src.app.process.starting import EX_CONFIG
from tests.fakes.running import PRINTED, ROOT, RunningService, environment, free_port

PATIENCE = 30.0
PRODUCTION = {
    "ENVIRONMENT": "production",
    "CORS_ORIGINS": '["https://app.example.com"]',
    "RATE_LIMIT_ENABLED": "true",
}


def uvicorn(tmp_path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "uvicorn", "src.app.main:app", "--port", str(free_port()), *arguments]
    return subprocess.run(
        argv, cwd=ROOT, env=environment(tmp_path / "data", **settings), capture_output=True, text=True, timeout=180, check=False
    )


def test_production_lists_all_that_is_wrong_at_once(tmp_path):
    answer = uvicorn(
        tmp_path, ENVIRONMENT="production", CA_ROOT_API_KEY="short", DISABLE_AUTH="true", RATE_LIMIT_ENABLED="false", SANDBOX="true"
    )

    assert answer.returncode != 0
    for setting in ("CA_ROOT_API_KEY", "DISABLE_AUTH", "RATE_LIMIT_ENABLED", "KMS_KEY_NAME", "CORS_ORIGINS", "SANDBOX"):
        assert f"  {setting}: " in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_wrong_cors_value_is_shown_with_a_right_one(tmp_path):
    answer = uvicorn(tmp_path, CORS_ORIGINS="http://localhost:3000")

    assert answer.returncode != 0
    assert "'http://localhost:3000' is not a JSON array" in answer.stderr
    assert 'CORS_ORIGINS=["http://localhost:3000"]' in answer.stderr
    assert "Traceback" not in answer.stderr


def test_outside_development_the_embedded_folder_must_be_named(tmp_path):
    answer = uvicorn(tmp_path, ENVIRONMENT="staging", EMBEDDED_DATA_DIR="", WAREHOUSE="duckdb", LEDGER_URL="sqlite:////nowhere/ledger.db")

    assert answer.returncode != 0
    assert "EMBEDDED_DATA_DIR: must name a folder" in answer.stderr


@pytest.mark.parametrize("document", ["pipeline: broken\nsteps:\n  - id: load_it\n    ps_typ: setup.organizations.dryrun\n"])
def test_a_wrong_document_keeps_the_service_from_starting(tmp_path, document):
    folder = tmp_path / "configs"
    for source in (ROOT / "configs").rglob("*"):
        if source.is_file():
            (folder / source.relative_to(ROOT / "configs")).parent.mkdir(parents=True, exist_ok=True)
            (folder / source.relative_to(ROOT / "configs")).write_text(source.read_text())
    (folder / "setup" / "broken.yml").write_text(document)

    answer = uvicorn(tmp_path, CONFIGS_DIR=str(folder))

    assert answer.returncode != 0
    assert "configs/setup/broken.yml:4" in answer.stderr
    assert "did you mean 'ps_type'" in answer.stderr


def test_several_worker_processes_are_refused_on_duckdb(tmp_path):
    answer = uvicorn(tmp_path, "--workers", "2")

    assert "one process at a time may use it" in answer.stderr
    assert "no --workers" in answer.stderr


@pytest.mark.parametrize("told", [("--http", "h11"), ("--lifespan", "off")])
def test_a_server_that_cannot_be_held_is_refused_with_the_line_that_can(tmp_path, told):
    answer = uvicorn(tmp_path, *told)

    assert answer.returncode == EX_CONFIG
    assert " ".join(told) in answer.stderr
    assert PRINTED in answer.stderr
    assert "Traceback" not in answer.stderr


def test_without_the_parser_it_is_refused_with_what_installs_it(tmp_path):
    (tmp_path / "httptools.py").write_text("raise ImportError('not here')")

    answer = uvicorn(tmp_path, PYTHONPATH=str(tmp_path))

    assert answer.returncode == EX_CONFIG
    assert "pip install --no-deps -r requirements.txt" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_server_that_chose_its_protocol_before_it_imported_the_service_is_held(tmp_path):
    service = RunningService(tmp_path / "data", {"HEADER_SECONDS": "0.2"}).start_by(f"exec {PRINTED} --reload --reload-dir deployment")
    try:
        with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as line:
            line.sendall(b"GET ")
            assert line.recv(100).startswith(b"HTTP/1.1 408 ")
    finally:
        service.stop()


def test_a_second_process_on_the_same_data_is_refused_with_the_first_one_named(fresh, tmp_path):
    first = fresh("data")
    assert first.process is not None

    answer = uvicorn(tmp_path)

    assert answer.returncode != 0
    assert str(first.process.pid) in answer.stderr
    assert "EMBEDDED_DATA_DIR" in answer.stderr


def test_production_starts_when_all_is_set(fresh, tmp_path):
    service = fresh("data", **PRODUCTION, LOCAL_KEYRING=str(tmp_path / "keys" / "keyring.json"), WAREHOUSE="duckdb")

    assert service.bootstrap().onboard("prod_org").json()["dataset_id"] == "prod_org_prod"
    forced = service.admin("POST", "/api/v1/admin/bootstrap", {"force_recreate_dataset": True})
    assert forced.status_code == 422
    assert '"confirm": "organizations"' in forced.json()["detail"]
    confirmed = service.admin("POST", "/api/v1/admin/bootstrap", {"force_recreate_dataset": True, "confirm": "organizations"})
    assert confirmed.status_code == 200
    assert len(confirmed.json()["tables_created"]) == 14
    assert "strict-transport-security" in confirmed.headers


def checked(tmp_path, **settings: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "src.cli.main", "check"]
    return subprocess.run(
        argv, cwd=ROOT, env=environment(tmp_path / "data", **settings), capture_output=True, text=True, timeout=180, check=False
    )


def test_a_check_says_what_the_settings_come_to_and_makes_nothing(tmp_path):
    answer = checked(tmp_path)

    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("development: ledger sqlite, warehouse duckdb, ")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("given", "refused"), [({}, True), ({"LOCAL_KEYRING": "shared/keyring.json"}, False)])
def test_processes_that_share_a_ledger_must_be_given_a_keyring_they_share(tmp_path, postgres_server, given, refused):
    ledger = postgres_server.url(postgres_server.create_database())
    answer = checked(tmp_path, ENVIRONMENT="staging", LEDGER_URL=ledger, **{name: str(tmp_path / path) for name, path in given.items()})

    assert (answer.returncode != 0) == refused
    assert ("KMS_KEY_NAME: name a Cloud KMS key, or a file in LOCAL_KEYRING that every process" in answer.stderr) == refused


def test_a_check_asks_what_lies_elsewhere_and_an_outage_is_a_warning(tmp_path, postgres_server):
    database = postgres_server.create_database()
    nobody = f"http://127.0.0.1:{free_port()}"

    answer = checked(
        tmp_path,
        LEDGER_URL=postgres_server.url(database),
        WAREHOUSE="bigquery",
        GCP_PROJECT_ID="acme-billing",
        PLATFORM_BIGQUERY_URL=nobody,
    )

    assert answer.returncode == 0, answer.stderr
    assert "ledger: answers\n" in answer.stdout
    assert "warning: warehouse: BigQuery cannot be reached" in answer.stdout


def test_a_check_refuses_what_must_be_mended(tmp_path, postgres_server):
    answer = checked(tmp_path, LEDGER_URL=postgres_server.url("no_such_database"))

    assert answer.returncode != 0
    assert "LEDGER_URL" in answer.stderr
    assert "Traceback" not in answer.stderr
