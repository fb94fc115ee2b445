"""Rotation of the keyring from a shell, beside the running service."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

from tests.fakes.running import ROOT, RunningService, environment


def rotate(service: RunningService, **settings: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "src.cli.main", "rotate-keyring"]
    return subprocess.run(
        argv, cwd=ROOT, env=environment(service.data, **settings), capture_output=True, text=True, timeout=180, check=False
    )


def test_every_sealed_key_moves_under_the_new_one(fresh):
    service: RunningService = fresh().bootstrap()
    keys = {slug: service.key_of(slug) for slug in ("first_org", "second_org")}
    hook = {"name": "Billing system", "url": "https://93.184.215.14/hooks"}
    webhooks = "/api/v1/organizations/first_org/webhooks"
    assert service.call("POST", webhooks, key=keys["first_org"], json=hook).status_code == 201
    before = sealed(service)

    answer = rotate(service)

    assert answer.returncode == 0, answer.stderr
    assert "4 secrets sealed under it, 0 were already" in answer.stdout
    current = json.loads((service.data / "keyring.json").read_text())["current"]
    after = sealed(service)
    assert {text.split(".")[1] for text in after.values()} == {current}
    assert {name: text.rsplit(".", 1)[1] for name, text in after.items()} == {name: text.rsplit(".", 1)[1] for name, text in before.items()}
    assert [service.call("GET", "/api/v1/whoami", key=key).status_code for key in keys.values()] == [200, 200]
    third = service.key_of("third_org")
    assert service.call("GET", "/api/v1/whoami", key=third).status_code == 200
    assert statuses(service) == {"ACTIVE": 1, "CURRENT": 1}


def test_before_bootstrap_there_is_nothing_to_rotate(fresh):
    answer = rotate(fresh())

    assert answer.returncode == 1
    assert "POST /api/v1/admin/bootstrap" in answer.stderr
    assert "Traceback" not in answer.stderr


def sealed(service: RunningService) -> dict[str, str]:
    with closing(sqlite3.connect(service.data / "ledger.db")) as connection:
        keys = connection.execute("SELECT key_id, sealed_key FROM org_api_keys").fetchall()
        ((url, secret),) = connection.execute("SELECT sealed_url, sealed_secret FROM org_notification_channels").fetchall()
    return {**dict(keys), "url": url, "secret": secret}


def statuses(service: RunningService) -> dict[str, int]:
    with closing(sqlite3.connect(service.data / "ledger.db")) as connection:
        return dict(connection.execute("SELECT status, count(*) FROM org_kms_keys GROUP BY status").fetchall())
