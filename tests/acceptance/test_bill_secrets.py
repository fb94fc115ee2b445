"""A service account's private key goes in once, and comes out nowhere: no answer, no event, no log, no table, no file."""

import json
import sqlite3
from contextlib import closing
from datetime import date

from tests.acceptance.test_bill_journey import BILLING, Customer, credential, events
from tests.fakes.running import ROOT_KEY, RunningService

DAY = date(2026, 9, 1)
LONG_ENOUGH = 40
PIECE = 24


def canaries(key_file: str) -> list[str]:
    """Every line of the private key, and pieces of it, for a line may be broken elsewhere."""
    lines = [line for line in json.loads(key_file)["private_key"].splitlines() if len(line) >= LONG_ENOUGH and not line.startswith("-----")]
    assert len(lines) > 10
    return [piece for line in lines for piece in (line[:PIECE], line[PIECE : 2 * PIECE])]


def test_a_private_key_comes_out_nowhere_whatever_becomes_of_its_runs(tmp_path):
    service = RunningService(tmp_path / "data", {"SANDBOX": "true", "LOG_LEVEL": "debug"}).start().bootstrap()
    texts: dict[str, str] = {}
    try:
        keys = {name: credential(service, name) for name in ("demo", "second", "narrow", "revoked", "empty")}
        customer = Customer(service, "canary_corp", service.key_of("canary_corp", subscription_plan="SCALE"))
        base = f"/integrations/{customer.slug}/gcp"
        for name, text in keys.items():
            body = {"credential": text, "credential_name": name}
            texts[f"setup {name}"] = customer.call("POST", f"{base}/setup", body).text
            texts[f"validate {name}"] = customer.call("POST", f"{base}/validate?credential_name={name}").text
        texts["cut short"] = customer.call("POST", f"{base}/setup", {"credential": keys["demo"][:-40]}).text
        texts["key alone"] = customer.call("POST", f"{base}/setup", {"credential": json.loads(keys["demo"])["private_key"]}).text
        texts["misplaced"] = customer.call("POST", f"/pipelines/run/{customer.slug}/{BILLING}", {"credential_name": keys["demo"]}).text
        texts["surplus"] = customer.call("POST", f"/pipelines/run/{customer.slug}/{BILLING}", {"credential": keys["demo"]}).text
        follow(customer, texts, credential_name="demo")
        body = {"date": str(DAY), "credential_name": "never_stored"}
        texts["never stored"] = customer.call("POST", f"/pipelines/run/{customer.slug}/{BILLING}", body).text
        spoil(service, customer)
        follow(customer, texts, credential_name="second")
        paths = [f"/integrations/{customer.slug}", base, f"/pipelines/{customer.slug}", f"/pipelines/runs/{customer.slug}"]
        paths += [f"/costs/{customer.slug}/daily?from=2026-09-01&to=2026-09-02", f"/costs/{customer.slug}/summary"]
        for path in paths:
            texts[path] = customer.call("GET", path).text
        names = (
            "gcp_billing_daily_raw",
            "gcp_cost_daily",
            "x_load_manifests",
            "x_meta_pipeline_runs",
            "x_meta_step_logs",
            "x_meta_dq_results",
        )
        for name in names:
            answer = customer.call("GET", f"/costs/{customer.slug}/tables/{name}", Accept="text/csv")
            assert answer.status_code == 200, answer.text
            texts[name] = answer.text
        texts["deleted"] = customer.call("DELETE", f"{base}?credential_name=demo").text
    finally:
        service.stop()

    planted = [piece for text in keys.values() for piece in canaries(text)] + [ROOT_KEY, customer.key]
    texts["log"] = service.log.read_text()
    texts |= ledger(service)
    own = service.data / "sandbox" / "credentials"
    files = [path for path in service.data.parent.rglob("*") if path.is_file() and own not in path.parents]
    texts |= {str(path): path.read_bytes().decode("latin-1") for path in files}
    found = {place for place, text in texts.items() for piece in planted if piece in text}

    assert not found
    assert len(files) > 4
    assert "run.finished" in texts["log"] or "pipeline" in texts["log"]
    assert json.loads(texts["setup demo"])["validation_status"] == "VALID"


def follow(customer: Customer, texts: dict[str, str], credential_name: str) -> None:
    run_id = customer.accepted(DAY, DAY, late_days=0, credential_name=credential_name)
    path = f"/pipelines/runs/{customer.slug}/{run_id}"
    texts[f"events {credential_name}"], told = events(customer.service, customer.key, f"/api/v1{path}/events")
    assert told[-1][1]["status"] == ("SUCCESS" if credential_name == "demo" else "FAILED")
    for part in ("", "/logs"):
        texts[f"{part} {credential_name}"] = customer.call("GET", path + part).text


def spoil(service: RunningService, customer: Customer) -> None:
    """A sealed credential with a changed ending, as a torn disk leaves it: it must not open, nor show what it holds."""
    with closing(sqlite3.connect(service.data / "ledger.db", timeout=30)) as connection:
        connection.execute(
            """UPDATE org_integration_credentials
            SET encrypted_credential = substr(encrypted_credential, 1, length(encrypted_credential) - 8)
            WHERE org_slug = ? AND credential_name = 'second'""",
            (customer.slug,),
        )
        connection.commit()


def ledger(service: RunningService) -> dict[str, str]:
    with closing(sqlite3.connect(service.data / "ledger.db")) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {f"ledger {name}": repr(connection.execute(f'SELECT * FROM "{name}"').fetchall()) for name in names}
