"""A data directory that an earlier release left opens in this one, with its books. `tests/data_dirs` keeps them, and what makes one."""

import csv
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import text

from src.app.service import create_app
from src.core.base.schema import TableSchema
from src.core.step import credentials
from tests.core.gcp.handmade import Hand, load, row
from tests.data_dirs.make import READ_ON, make, pack
from tests.fakes.billing import Billing, History, billing
from tests.fakes.google import STANDARD, FakeGoogle, FakeTable, serving

FOLDER = Path(__file__).parents[1] / "data_dirs"
# Each is of one release and stays as it was: one that was made again would be of another.
KEPT = {"2026-11": "81c3ae1c8dfdc4c73e0efd01d61d0e1795fe8dc08697f3a65a0ec23981bc767a"}
ASKED = 1_000_000  # microseconds past noon: later than all that was written that day
OWN_TABLES = ("x_cost_*.json", "x_load_*.json", "x_source_*.json")
CSV = "format=csv"
MANIFESTS = f"tables/x_load_manifests?{CSV}"
HISTORY = f"tables/x_cost_history?{CSV}"
FURTHER = Decimal("7.25")
LONG_AFTER = timedelta(60)
COSTS = "SELECT usage_date, project_id, service_id, sku_id, labels, cost_type, currency, cost, credits, row_count, source_as_of"
ORDERED = "ORDER BY usage_date, service_id, cost_type, currency, cost"
AS_OF = f"""{COSTS} FROM gcp_cost_daily WHERE told_since IS NULL OR told_since <= @moment
UNION ALL
{COSTS} FROM gcp_cost_daily_before WHERE (told_since IS NULL OR told_since <= @moment) AND told_until > @moment
{ORDERED}"""


@dataclass
class Left:
    """By a release, in a folder of the test's own, opened by this one."""

    facts: dict[str, Any]
    billing: Billing
    google: FakeGoogle

    @property
    def read_on(self) -> date:
        return date.fromisoformat(self.facts["read_on"])

    @property
    def first_day(self) -> date:
        return date.fromisoformat(self.facts["first_day"])

    @property
    def costs(self) -> dict[str, Any]:
        """What was answered about costs, by what was asked."""
        start = f"/api/v1/costs/{self.facts['org_slug']}/"
        return {path.removeprefix(start): answer for path, answer in self.facts["told"].items() if path.startswith(start)}

    @property
    def days(self) -> str:
        """The question for all days, in no groups."""
        return next(question for question in self.costs if question.startswith("daily?") and "group_by" not in question)

    async def ask(self, method: str, path: str) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=create_app(self.billing.parts.settings, self.billing.parts))
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as caller:
            answer = await caller.request(method, path, headers={"X-API-Key": self.facts["api_key"]})
        assert answer.status_code == 200, answer.text
        return answer

    async def told(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        return list(csv.DictReader(io.StringIO(answer.text))) if path.endswith(CSV) else answer.json()

    async def told_of_costs(self, question: str) -> Any:
        return await self.told(f"/api/v1/costs/{self.facts['org_slug']}/{question}")

    def bill(self) -> Hand:
        """The one that was read, as it can still be read."""
        source = self.facts["source"]
        rows = [
            row(
                date.fromisoformat(used),
                float(cost),
                written=date.fromisoformat(written),
                account=source["account"],
                service={"id": service, "description": service},
                credits=[{"id": "discount", "amount": float(credit)}] if Decimal(credit) else [],
            )
            for used, written, service, cost, credit in self.facts["bill"]
        ]
        return Hand(source["table"], rows, source["project"], source["dataset"], older=self.first_day - timedelta(1))


@pytest.fixture(params=sorted(KEPT))
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Left]:
    facts = json.loads((FOLDER / f"{request.param}.json").read_text())
    unpack(FOLDER / f"{request.param}.tar.gz", tmp_path / "left")
    key = load_pem_public_key(facts["public_key"].encode())
    assert isinstance(key, RSAPublicKey)
    source = facts["source"]
    known = FakeGoogle({facts["client_email"]: key}, projects={source["project"]: {source["dataset"]: {STANDARD: FakeTable()}}})
    history = History(tmp_path / "left", ASKED)
    with serving(known) as google:
        addresses: dict[str, Any] = {name.lower(): address for name, address in google.settings.items()}
        with billing(tmp_path, date.fromisoformat(facts["read_on"]), history=history, sandbox=False, **addresses) as here:
            here.parts.ledger.bootstrap()  # as after every upgrade
            yield Left(facts, here, google)


def unpack(archive: Path, folder: Path) -> None:
    """With the modes of files and folders, which keep keys for their owner."""
    folder.mkdir(mode=0o700)
    with tarfile.open(archive) as members:
        for member in members:
            path = folder / member.name
            if member.isdir():
                path.mkdir()
            else:
                path.write_bytes(members.extractfile(member).read())  # type: ignore[union-attr]  # it is a file
            path.chmod(member.mode)


WORDED = frozenset({"sentence", "completeness_reason"})  # of the facts beside them


def of_old(now: Any, before: Any) -> Any:
    """What is told now without what a later release tells besides, and whatever its words."""
    if isinstance(before, dict) and isinstance(now, dict):
        return {key: value if key in WORDED else of_old(now[key], value) for key, value in before.items() if key in now}
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [of_old(*both) for both in zip(now, before, strict=True)]
    return now


def rows_of_old(now: list[dict[str, str]], before: list[dict[str, str]]) -> list[list[str]]:
    """The columns there were. A table's rows come in any order."""
    return sorted([written(one[column]) for column in before[0] if column not in WORDED] for one in now)


def written(cell: str) -> str:
    """An amount and a moment as they are written by this release: earlier ones filled up all digits of a file."""
    return re.sub(r"^(-?\d+\.\d\d\d*?)0+$", r"\1", re.sub(r"(T\d\d:\d\d:\d\d)\.0+Z$", r"\1Z", cell))


def without(rows: list[dict[str, Any]], day: date) -> list[dict[str, Any]]:
    return [one for one in rows if one["usage_date"] != str(day)]


def not_of(manifest: dict[str, Any], rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [one for one in rows if one["pipeline_logging_id"] != manifest["pipeline_logging_id"]]


def require_told(question: str, now: Any, before: Any) -> None:
    if question.endswith(CSV):
        assert rows_of_old(now, before) == rows_of_old(before, before), question
    else:
        assert of_old(now, before) == before, question


def digest(name: str) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(FOLDER.glob(f"{name}.*")))).hexdigest()


def test_every_directory_is_kept_as_it_was_made():
    assert {name: digest(name) for name in (path.stem for path in FOLDER.glob("*.json"))} == KEPT


async def test_one_of_this_release_can_be_made(tmp_path: Path):
    made = await make(tmp_path / "made")
    pack(tmp_path / "made", tmp_path / "made.tar.gz")
    unpack(tmp_path / "made.tar.gz", tmp_path / "left")

    told = next(answer for path, answer in made["told"].items() if "/daily?" in path)
    assert told["completeness"]["complete"] * told["completeness"]["provisional"]
    assert {one["grain"] for path, rows in made["told"].items() if path.endswith(HISTORY) for one in rows} == {"day", "invoice_month"}
    with billing(tmp_path, READ_ON[-1], history=History(tmp_path / "left", ASKED), sandbox=False) as here:
        assert here.parts.ledger.missing() == ()
        assert credentials.open(here.parts, here.tenant, "gcp").subject == made["client_email"]


async def test_it_opens_lets_its_key_in_and_tells_what_it_told(left: Left):
    await left.ask("GET", "/health/ready")

    for path, before in left.facts["told"].items():
        # setups are listed by whoever asks for them; a release before listed them always
        asked = f"{path}?setups=true" if "/pipelines/runs/" in path else path
        require_told(path, await left.told(asked), before)


async def test_its_credential_opens_and_its_provider_lets_it_in(left: Left):
    answer = await left.ask("POST", f"/api/v1/integrations/{left.facts['org_slug']}/gcp/validate")

    assert answer.json()["validation_status"] == "VALID"
    assert "POST /token" in left.google.asked


def test_it_has_the_customers_tables_and_the_platforms_own(left: Left):
    ledger = left.billing.parts.ledger

    assert ledger.missing() == ()
    with ledger.reading() as unit:
        stored = unit.rows(text("SELECT org_slug, provider FROM org_cloud_credentials"))
    assert stored == [(left.facts["org_slug"], "GCP_SA")]


async def test_a_load_of_what_did_not_change_reads_nothing_and_tells_all_as_before(left: Left):
    published = load(left.billing, left.first_day, left.read_on, left.bill())

    assert published.manifest["rows_read"] == 0
    for question, before in left.costs.items():
        now = await left.told_of_costs(question)
        require_told(question, not_of(published.manifest, now) if question == MANIFESTS else now, before)


async def test_a_load_adds_the_tables_and_columns_that_came_since(left: Left):
    load(left.billing, left.first_day, left.read_on, left.bill())

    schemas = left.billing.parts.settings.configs_dir / "setup/organizations/onboarding/schemas"
    wanted = {path.stem: set(TableSchema.load(path, name=path.stem).columns) for pattern in OWN_TABLES for path in schemas.glob(pattern)}
    found = {name: set(left.billing.parts.warehouse.columns(left.billing.tenant, name)) for name in wanted}
    assert wanted
    assert {name: columns - found[name] for name, columns in wanted.items()} == {name: set() for name in wanted}


async def test_one_more_row_changes_what_is_told_of_its_day_and_of_no_other(left: Left):
    bill = left.bill()
    used, written = (max(one[moment].date() for one in bill.rows) for moment in ("usage_start_time", "export_time"))
    bill.add(row(used, float(FURTHER), written=written, account=left.facts["source"]["account"]))
    published = load(left.billing, left.first_day, left.read_on, bill)

    assert published.manifest["rows_read"] == sum(one["export_time"].date() == written for one in bill.rows)
    before, now = left.costs[left.days], await left.told_of_costs(left.days)
    was, told = (next(one for one in answer["rows"] if one["usage_date"] == str(used)) for answer in (before, now))
    assert Decimal(told["billed_cost"]) == Decimal(was["billed_cost"]) + FURTHER
    assert (told["row_count"], told["completeness"]) == (was["row_count"] + 1, was["completeness"])
    changed = {"as_of", "totals", "rows"}
    require_told(left.days, now, {name: answer for name, answer in before.items() if name not in changed})
    require_told(left.days, without(now["rows"], used), without(before["rows"], used))
    assert [Decimal(total["billed_cost"]) for total in now["totals"]] == [sum(Decimal(str(one["cost"])) for one in bill.rows)]
    changes = await left.told_of_costs(HISTORY)
    require_told(HISTORY, not_of(published.manifest, changes), left.costs[HISTORY])
    assert {one["period"] for one in changes} - {one["period"] for one in left.costs[HISTORY]} == {str(used), f"{used:%Y%m}"}


def test_what_that_release_told_can_be_asked_once_it_is_told_otherwise(left: Left):
    bill, ask = left.bill(), left.billing.ask
    before = ask(f"{COSTS} FROM gcp_cost_daily {ORDERED}")
    used, written = (max(one[moment].date() for one in bill.rows) for moment in ("usage_start_time", "export_time"))
    bill.add(
        row(used, float(FURTHER), written=written, account=left.facts["source"]["account"], service={"id": "new", "description": "New"})
    )
    bill.add(row(used, float(FURTHER), written=written, account=left.facts["source"]["account"], service=bill.rows[-2]["service"]))
    moment = load(left.billing, left.first_day, left.read_on, bill).manifest["published_at"]

    assert ask(AS_OF, moment=moment - timedelta(microseconds=1)) == before
    assert ask(AS_OF, moment=moment) == ask(f"{COSTS} FROM gcp_cost_daily {ORDERED}") != before
    assert {one["told_since"] for one in ask("SELECT told_since FROM gcp_cost_daily")} == {None, moment}
    assert ask("SELECT DISTINCT told_since, told_until FROM gcp_cost_daily_before") == [{"told_since": None, "told_until": moment}]


async def test_days_are_judged_by_when_that_release_looked_at_them(left: Left):
    """Also once looks are kept as they are now, of another source."""
    told = {one["usage_date"]: one["completeness"] for one in left.costs[left.days]["rows"] if one["currency"]}
    for later in (LONG_AFTER, 2 * LONG_AFTER):
        left.billing.clock.today = today = left.read_on + later
        load(left.billing, today, today, Hand("other", [row(today, account="B")], older=left.first_day - timedelta(1)))

        now = {one["usage_date"]: one for one in (await left.told_of_costs(left.days))["rows"]}
        assert {day: now[day]["completeness"] for day in told} == {
            day: "stale" if completeness == "provisional" else completeness for day, completeness in told.items()
        }
        reasons = {now[day]["completeness_reason"] for day, completeness in told.items() if completeness == "provisional"}
        assert all(f"last looked at on {left.read_on}" in reason for reason in reasons)
        assert reasons
