"""Keys planted as canaries turn up in no log, no error, no audit row, no run result."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.acceptance.observed import held
from tests.fakes.running import ROOT_KEY, RunningService


def test_no_key_is_written_anywhere_in_clear(fresh):
    service: RunningService = fresh(LOG_LEVEL="debug").bootstrap()
    first = service.key_of("canary_org")
    second = service.admin("POST", "/api/v1/organizations/canary_org/keys/rotate", {"grace_hours": 1}).json()["api_key"]
    for key in (first, second):
        assert service.call("GET", "/api/v1/whoami", key=key).status_code == 200
        service.call("GET", f"/api/v1/organizations/canary_org/keys?key={key}", key=key)
        service.call("POST", "/api/v1/organizations/onboard", key=key, json={"org_slug": key})
        service.admin("POST", "/api/v1/organizations/onboard", {"org_slug": "canary_org", "surplus": key})
        service.call("GET", f"/api/v1/{key}", root=key)
    service.stop()

    planted = [ROOT_KEY, first, second, first[-16:], second[-16:]]
    texts = {"log": service.log.read_text(), **ledger_texts(service.data / "ledger.db")}
    for path in service.data.rglob("*"):
        if path.is_file() and path.name != "ledger.db":
            texts[str(path)] = path.read_bytes().decode("latin-1")
    found = [(place, secret) for place, text in texts.items() for secret in planted if secret in text]

    assert not found
    assert "http.request" in texts["log"]


def ledger_texts(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: repr(connection.execute(f'SELECT * FROM "{table}"').fetchall()) for table in tables}


def test_files_that_hold_keys_or_data_are_owner_only(fresh):
    service: RunningService = fresh().bootstrap()
    service.key_of("private_org")

    files = held(service)

    assert {path.suffix for path in files} >= {".db", ".duckdb", ".json"}
    assert not [path for path, file in files.items() if file.mode & 0o077]


def test_an_erased_organisation_leaves_nothing_of_a_person_behind(fresh):
    service: RunningService = fresh().bootstrap()
    person = {"company_name": "Quillfeather Holdings", "admin_email": "wilhelmina@quillfeather.example"}
    assert service.admin("POST", "/api/v1/organizations/dryrun", {"org_slug": "erased_org", **person}).status_code == 200
    assert service.admin("POST", "/api/v1/organizations/onboard", {"org_slug": "erased_org", **person}).status_code == 201
    assert service.admin("DELETE", "/api/v1/organizations/erased_org", {"confirm": "erased_org"}).status_code == 200
    service.stop()

    kept = [
        (path.name, told)
        for path in (*service.data.rglob("*"), service.log)
        if path.is_file()
        for told in ("Quillfeather", "wilhelmina@")
        if told.encode() in path.read_bytes()
    ]

    assert not kept
    assert not (service.data / "warehouse" / "erased_org_dev").exists()
