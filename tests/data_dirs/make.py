"""Makes a small data directory as a release leaves it, and writes down what that release's own API says of it.

Run it once for a release, in a checkout of its commit and with its packages; the checkout is not changed. This file goes with the code
it stands beside: an older release is made by the file of its own commit, or of the next that had one.

    cd CHECKOUT && PYTHONPATH=. .venv/bin/python tests/data_dirs/make.py NAME FOLDER

FOLDER then holds NAME.tar.gz and NAME.json, which belong beside this file. The service runs in this process, on SQLite, DuckDB and a
keyring in a file. A small Google on loopback lets its credential in, and its clock stands still. The bill is read on two days; on the
second it has a correction of a day that was told already.
"""

import asyncio
import csv
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2
import structlog
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from src.app.service import create_app
from src.app.wiring import Parts
from src.core.base.settings import Settings, use_settings
from src.core.processors.gcp import bq_etl
from src.core.providers.export import TablePlace
from src.core.step.gcp.exports import ExportSource
from tests.core.gcp.handmade import Hand, row
from tests.fakes.billing import StillClock
from tests.fakes.google import STANDARD, FakeGoogle, FakeTable, service_account, serving
from tests.fakes.running import ROOT_KEY

QUIET = 50
ORG = "acme_corp"
SOURCE = {"project": "acme-billing", "dataset": "billing", "table": STANDARD, "account": "0A0A0A-1B1B1B-2C2C2C"}
FIRST_DAY = date(2026, 10, 1)
READ_ON = (date(2026, 11, 8), date(2026, 11, 12))  # the invoice of October is closed between them
USED = [date(2026, 10, 27) + timedelta(number) for number in range(10)]
# day of use, day of writing, service, cost, credit
BILL = [
    *((day, day, "Compute Engine", Decimal("41.370102") + number, Decimal(0)) for number, day in enumerate(USED)),
    *((day, day, "Cloud Storage", Decimal("0.07"), Decimal("-0.05")) for day in USED),
    (date(2026, 11, 4), date(2026, 11, 6), "Compute Engine", Decimal("3.69"), Decimal(0)),
    (date(2026, 10, 30), date(2026, 11, 9), "Compute Engine", Decimal("-1.25"), Decimal(0)),
]
COSTS = f"/api/v1/costs/{ORG}"
WINDOW = f"from=2026-10-25&to={READ_ON[-1]}"
ANSWERS = (
    "/api/v1/whoami",
    f"/api/v1/integrations/{ORG}/gcp",
    f"/api/v1/pipelines/runs/{ORG}",
    f"{COSTS}/daily?{WINDOW}",
    f"{COSTS}/daily?{WINDOW}&group_by=service&group_by=invoice_month",
    f"{COSTS}/summary?{WINDOW}&group_by=service",
)
TABLES = ("gcp_cost_daily", "x_cost_daily", "x_cost_monthly", "x_cost_history", "x_load_manifests")


@contextmanager
def reading(bill: Hand) -> Iterator[None]:
    """The bill, in the place of the customer's BigQuery."""

    @contextmanager
    def opened(*_: Any) -> Iterator[list[ExportSource]]:
        yield [ExportSource(TablePlace(SOURCE["project"], SOURCE["dataset"], STANDARD), bill)]

    with patch.object(bq_etl, "opened_tables", opened):
        yield


@dataclass(frozen=True)
class Caller:
    http: httpx2.AsyncClient
    key: dict[str, str]

    async def ask(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        answer = await self.http.request(method, path, headers=self.key, json=body)
        assert answer.is_success, answer.text
        return answer


async def make(data: Path) -> dict[str, Any]:
    google = FakeGoogle(projects={SOURCE["project"]: {SOURCE["dataset"]: {STANDARD: FakeTable()}}})
    with serving(google):
        account = google.knows(service_account(project=SOURCE["project"]))
        settings = Settings(
            _env_file=None,
            ca_root_api_key=ROOT_KEY,
            embedded_data_dir=data,
            gcp_token_url=google.settings["GCP_TOKEN_URL"],
            bigquery_url=google.settings["BIGQUERY_URL"],
        )
        use_settings(settings)
        clock = StillClock(READ_ON[0])
        parts = Parts(settings, clock=clock)
        parts.claim_warehouse()
        await parts.worker.start()
        try:
            told = await live(parts, clock, json.dumps(account))
        finally:
            await parts.worker.stop()
            parts.close()
            use_settings(None)
    public = google.keys[account["client_email"]].public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return {"client_email": account["client_email"], "public_key": public, **told}


async def live(parts: Parts, clock: StillClock, credential: str) -> dict[str, Any]:
    transport = httpx2.ASGITransport(app=create_app(parts.settings, parts))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=None) as http:
        root = Caller(http, {"X-CA-Root-Key": ROOT_KEY})
        await root.ask("POST", "/api/v1/admin/bootstrap", {})
        new = {"org_slug": ORG, "company_name": "Acme", "admin_email": "finops@example.com"}
        api_key = (await root.ask("POST", "/api/v1/organizations/onboard", new)).json()["api_key"]
        own = Caller(http, {"X-API-Key": api_key})
        await own.ask("POST", f"/api/v1/integrations/{ORG}/gcp/setup", {"credential": credential})
        for today in READ_ON:
            clock.today = today
            window = {"start_date": str(FIRST_DAY), "end_date": str(today)}
            with reading(Hand(STANDARD, written_until(today), older=FIRST_DAY - timedelta(1))):
                run = (await own.ask("POST", f"/api/v1/pipelines/run/{ORG}/gcp/cost/billing?wait=true", window)).json()
            assert run["status"] == "SUCCESS", run
        told = {path: (await own.ask("GET", path)).json() for path in ANSWERS}
        files = {path: (await own.ask("GET", path)).text for path in (f"{COSTS}/tables/{name}?format=csv" for name in TABLES)}
    return {"api_key": api_key, "told": told | {path: list(csv.DictReader(io.StringIO(text))) for path, text in files.items()}}


def written_until(last: date) -> list[dict[str, Any]]:
    return [
        row(
            used,
            float(cost),
            written=written,
            account=SOURCE["account"],
            service={"id": service, "description": service},
            credits=[{"id": "discount", "amount": float(credit)}] if credit else [],
        )
        for used, written, service, cost, credit in BILL
        if written <= last
    ]


def pack(data: Path, into: Path) -> None:
    # where the keyring lay is only shown to people, and none of these looks for it there
    witness = data / "sealed_by.json"
    witness.write_text(witness.read_text().replace(str(data), "/data"))
    with tarfile.open(into, "w:gz", compresslevel=9) as archive:
        for path in sorted(data.rglob("*")):
            archive.add(path, path.relative_to(data), recursive=False, filter=_nobodys)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """With its mode, and without who made it when."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def main(name: str, folder: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(QUIET))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as place:
        data = Path(place).resolve() / "data"
        told = asyncio.run(make(data))
        pack(data, folder / f"{name}.tar.gz")
    facts = {"commit": commit, "org_slug": ORG, "read_on": READ_ON[-1], "first_day": FIRST_DAY, "source": SOURCE, "bill": BILL, **told}
    (folder / f"{name}.json").write_text(_one_line_each(facts))


def _one_line_each(facts: dict[str, Any]) -> str:
    lines = [f"{json.dumps(key)}: {json.dumps(value, default=str)}" for key, value in facts.items() if key != "told"]
    told = [f"{json.dumps(path)}: {json.dumps(answer)}" for path, answer in facts["told"].items()]
    return "{\n" + ",\n".join([*lines, '"told": {\n' + ",\n".join(told) + "\n}"]) + "\n}\n"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
