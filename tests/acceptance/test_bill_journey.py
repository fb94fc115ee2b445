"""A customer's way from nothing to a bill it can trust, over HTTP alone, against answers that no engine counted."""

import csv
import io
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.core.base.clock import SystemClock
from src.sandbox.gcp.accounts import DOLLARS, EUROS, SECOND, detailed_table, standard_table
from src.sandbox.gcp.provider import Gcp
from src.sandbox.gcp.right_figures import Answers, RightTotals
from tests.acceptance.observed import afternoon, problem, until
from tests.fakes.made_once import ROWS_PER_HOUR
from tests.fakes.running import RunningService

PARQUET = "application/vnd.apache.parquet"
BILLING = "gcp/cost/billing"
OVER = ("SUCCESS", "FAILED", "CANCELLED")
LATE = timedelta(days=10)
FIRST, LAST = date(2026, 9, 1), date(2026, 9, 30)
EARLIEST = "2026-06-01"
COUNTED = {"demo": (detailed_table(DOLLARS), standard_table(EUROS)), "second": (detailed_table(SECOND),)}


class Money(NamedTuple):
    billed: Decimal
    credits: Decimal
    net: Decimal
    rows: int


@dataclass(frozen=True)
class Customer:
    service: RunningService
    slug: str
    key: str

    @classmethod
    def of(cls, service: RunningService, slug: str, account: str = "demo", **profile: str) -> "Customer":
        return cls(service, slug, service.key_of(slug, **{"timezone": afternoon()[0], **profile})).connect(account)

    def connect(self, account: str = "demo") -> "Customer":
        answer = self.call("POST", f"/integrations/{self.slug}/gcp/setup", {"credential": credential(self.service, account)})
        assert answer.status_code == 200, answer.text
        return self

    def call(self, method: str, path: str, json: Any = None, **headers: str) -> httpx2.Response:
        return self.service.call(method, f"/api/v1{path}", key=self.key, json=json, **headers)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(self, first: date, last: date, pipeline: str = BILLING, **inputs: Any) -> httpx2.Response:
        return self.call("POST", f"/pipelines/run/{self.slug}/{pipeline}", {"start_date": str(first), "end_date": str(last), **inputs})

    def accepted(self, first: date, last: date, pipeline: str = BILLING, **inputs: Any) -> str:
        answer = self.ask(first, last, pipeline, **inputs)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["pipeline_logging_id"])

    def run(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/pipelines/runs/{self.slug}/{run_id}")
        return found

    def settled(self, run_id: str, seconds: float = 180) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (found := self.run(run_id))["status"] not in OVER:
            assert time.monotonic() < deadline, f"not over within {seconds} s: {found}"
            time.sleep(0.05)
        return found

    def loaded(self, first: date, last: date, pipeline: str = BILLING, **inputs: Any) -> dict[str, Any]:
        found = self.settled(self.accepted(first, last, pipeline, **inputs))
        assert found["status"] == "SUCCESS", found
        return found

    def quota(self) -> Any:
        return self.get(f"/organizations/{self.slug}/quota")

    def daily(self, first: str = EARLIEST, last: str = "2026-10-31") -> dict[tuple[str, date], Money]:
        """What stands in the books, by currency and day of use; days that were never loaded left out."""
        rows = self.get(f"/costs/{self.slug}/daily?from={first}&to={last}&limit=5000")["rows"]
        return {(row["currency"], date.fromisoformat(row["usage_date"])): money(row) for row in rows if row["net_cost"] is not None}

    def table(self, name: str, query: str = "") -> pa.Table:
        answer = self.call("GET", f"/costs/{self.slug}/tables/{name}{query}", Accept=PARQUET)
        assert answer.status_code == 200, answer.text
        return pq.read_table(io.BytesIO(answer.content))


def credential(service: RunningService, account: str) -> str:
    path = service.data / "sandbox" / "credentials" / f"gcp-{account}.json"
    until(path.exists)
    return path.read_text()


def money(row: Mapping[str, Any]) -> Money:
    return Money(Decimal(row["billed_cost"]), Decimal(row["credits"]), Decimal(row["net_cost"]), int(row["row_count"]))


def as_money(total: RightTotals) -> Money:
    return Money(total.billed, total.credits, total.net, total.rows)


@lru_cache(maxsize=1)
def sandbox() -> Gcp:
    return Gcp(Path(tempfile.gettempdir()) / "never-written", SystemClock(), rows_per_hour=ROWS_PER_HOUR)


@lru_cache(maxsize=64)
def told(account: str, first: date, last: date) -> tuple[Answers, ...]:
    """What the load days from `first` to `last` come to: one answer for each export that counts."""
    return tuple(sandbox().answers(table, first, last) for table in COUNTED[account])


def right(account: str, first: date, last: date) -> dict[tuple[str, date], Money]:
    return {key: as_money(total) for one in told(account, first, last) for key, total in one.by_usage_day.items()}


def invoices(account: str, first: date, last: date) -> dict[tuple[str, str], Money]:
    return {key: as_money(total) for one in told(account, first, last) for key, total in one.by_invoice_month.items()}


def events(service: RunningService, key: str, path: str) -> tuple[str, list[tuple[str, Any]]]:
    with (
        httpx2.Client(base_url=service.address, timeout=60, trust_env=False, verify=False) as client,
        client.stream("GET", path, headers={"X-API-Key": key}) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block.startswith("event: ")]
    return text, [(block["event"], json.loads(block["data"])) for block in blocks]


@dataclass(frozen=True)
class Month:
    customer: Customer
    stranger: Customer
    run: dict[str, Any]
    followed: list[tuple[str, Any]]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    service = RunningService(tmp_path_factory.mktemp("journey") / "data", {"SANDBOX": "true"}).start()
    try:
        service.bootstrap()
        customer = Customer.of(service, "journey_corp")
        run_id = customer.accepted(FIRST, LAST)
        _, followed = events(service, customer.key, f"/api/v1/pipelines/runs/{customer.slug}/{run_id}/events")
        stranger = Customer(service, "stranger_corp", service.key_of("stranger_corp"))
        yield Month(customer, stranger, customer.run(run_id), followed)
    finally:
        service.stop()


def test_the_credential_is_valid_and_what_can_be_run_is_listed(month):
    slug = month.customer.slug
    one = month.customer.get(f"/integrations/{slug}/gcp")
    listed = {each["provider"]: each["status"] for each in month.customer.get(f"/integrations/{slug}")["integrations"]}
    [pipeline] = [each for each in month.customer.get(f"/pipelines/{slug}")["pipelines"] if each["id"] == BILLING]

    assert listed["gcp"] == "VALID"
    assert "private_key" not in json.dumps(one)
    assert pipeline["pipeline_id"] == "journey-corp-gcp-cost"
    assert {each["name"] for each in pipeline["inputs"]} >= {"credential_name"}
    assert pipeline["last_run"]["status"] == "SUCCESS"


def test_the_stream_tells_of_steps_rows_bytes_and_an_estimate_until_the_end(month):
    names = [name for name, _ in month.followed]
    told_of = [data for name, data in month.followed if name == "progress"]
    last = told_of[-1]

    assert names == ["progress"] * (len(names) - 1) + ["end"]
    assert month.followed[-1][1]["status"] == "SUCCESS"
    assert all({"rows", "bytes", "step", "step_index", "steps", "eta_seconds"} <= set(data) for data in told_of)
    assert last["rows"] == last["rows_total"] == month.run["totals"]["rows_read"]
    assert last["bytes"] == last["bytes_total"] > 0
    assert last["step_index"] == last["steps"] == 3
    percents = [data["percent"] for data in told_of if data["percent"] is not None]
    assert percents == sorted(percents)
    assert percents[-1] == 100


def test_the_run_shows_totals_manifest_and_data_quality_as_the_sandbox_knows_them(month):
    run = month.run
    known = told("demo", FIRST, LAST + LATE)
    [manifest] = run["manifests"]

    assert run["status"] == "SUCCESS"
    assert run["window"] == {"start": str(FIRST), "end": str(LAST)}
    assert run["totals"]["rows_read"] == run["totals"]["rows_written"] == sum(one.rows for one in known)
    assert {(one["currency"], one["invoice_month"]): Decimal(one["billed_cost"]) for one in manifest["totals"]} == {
        key: total.billed for key, total in invoices("demo", FIRST, LAST + LATE).items()
    }
    assert {(one["currency"], one["invoice_month"]): Decimal(one["net_cost"]) for one in manifest["totals"]} == {
        key: total.net for key, total in invoices("demo", FIRST, LAST + LATE).items()
    }
    assert manifest["rows_read"] == manifest["rows_written"]
    assert manifest["schema_fingerprint"]
    assert manifest["source_version"]
    assert run["data_quality"]["critical"] == 0
    assert {one["suite"] for one in run["data_quality"]["results"]} == {"billing_cost_suite"}
    assert [step["status"] for step in run["steps"]] == ["SUCCESS"] * 3


def test_its_log_is_in_order_and_it_is_found_by_every_filter(month):
    slug, run_id = month.customer.slug, month.run["pipeline_logging_id"]
    lines = month.customer.get(f"/pipelines/runs/{slug}/{run_id}/logs")["lines"]
    filters = ("status=SUCCESS", "provider=gcp", "trigger=api", "pipeline_id=journey-corp-gcp-cost", "state=SUCCESS")

    assert [line["at"] for line in lines] == sorted((line["at"] for line in lines), key=datetime.fromisoformat)
    assert (lines[0]["event"], lines[-1]["event"]) == ("run.accepted", "run.finished")
    for each in filters:
        found = month.customer.get(f"/pipelines/runs/{slug}?{each}")["runs"]
        assert run_id in {run["pipeline_logging_id"] for run in found}, each
    failed = month.customer.get(f"/pipelines/runs/{slug}?status=FAILED")
    assert failed["runs"] == []


def test_every_day_of_use_is_right_to_the_last_decimal(month):
    assert month.customer.daily() == right("demo", FIRST, LAST + LATE)


def test_no_day_without_data_is_shown_as_zero_and_no_day_without_its_completeness(month):
    rows = month.customer.get(f"/costs/{month.customer.slug}/daily?from=2026-10-01&to=2026-10-31")["rows"]
    empty = [row for row in rows if row["completeness"] == "missing"]

    assert {row["usage_date"] for row in rows} == {f"2026-10-{day:02}" for day in range(1, 32)}
    assert {row["usage_date"] for row in empty} >= {f"2026-10-{day:02}" for day in range(11, 32)}
    assert all(row["billed_cost"] is row["credits"] is row["net_cost"] is None for row in empty)
    assert {row["completeness"] for row in rows} <= {"complete", "provisional", "partial", "stale", "missing", "unpriced"}


@pytest.mark.parametrize(
    ("group", "known"), [("project", "by_project"), ("cost_type", "by_cost_type"), ("invoice_month", "by_invoice_month")]
)
def test_groups_come_to_what_the_sandbox_counted(month, group, known):
    found: dict[tuple[str, str | None], list[Money]] = defaultdict(list)
    cursor = ""
    while True:
        page = month.customer.get(f"/costs/{month.customer.slug}/daily?from={EARLIEST}&to=2026-10-31&group_by={group}&limit=150{cursor}")
        for row in page["rows"]:
            if row["net_cost"] is not None:
                found[row["currency"], row[group]].append(money(row))
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    expected = {key: as_money(total) for one in told("demo", FIRST, LAST + LATE) for key, total in getattr(one, known).items()}
    assert {key: Money(*(sum(part) for part in zip(*parts, strict=True))) for key, parts in found.items()} == expected


def test_filters_by_service_and_project_add_up_to_the_whole(month):
    slug = month.customer.slug
    whole = money_of_totals(month.customer.get(f"/costs/{slug}/daily?from={FIRST}&to={LAST}")["totals"])
    services = {
        row["service"] for row in month.customer.get(f"/costs/{slug}/daily?from={FIRST}&to={LAST}&group_by=service&limit=5000")["rows"]
    }
    parts: dict[str, Decimal] = defaultdict(Decimal)
    for service in services:
        asked = httpx2.QueryParams({"from": str(FIRST), "to": str(LAST), "service": service})
        for currency, net in money_of_totals(month.customer.get(f"/costs/{slug}/daily?{asked}")["totals"]).items():
            parts[currency] += net

    assert len(services) > 3
    assert parts == whole


def money_of_totals(totals: list[dict[str, Any]]) -> dict[str, Decimal]:
    return {one["currency"]: Decimal(one["net_cost"]) for one in totals}


def test_csv_and_parquet_say_the_same_as_json(month):
    path = f"/costs/{month.customer.slug}/daily?from={FIRST}&to={LAST}&group_by=service,project"
    told_json = month.customer.get(path + "&limit=5000")["rows"]
    lines = list(csv.DictReader(io.StringIO(month.customer.call("GET", path, Accept="text/csv").text, newline="")))
    parquet = pq.read_table(io.BytesIO(month.customer.call("GET", path, Accept=PARQUET).content))

    def exact(row: Mapping[str, Any]) -> tuple[Any, ...]:
        amounts = (Decimal(row[name]) for name in ("billed_cost", "credits", "net_cost"))
        return (str(row["usage_date"]), row["service"], row["project"] or None, row["currency"], *amounts, row["completeness"])

    assert len(told_json) > 30
    assert [exact(row) for row in lines] == [exact(row) for row in told_json] == [exact(row) for row in parquet.to_pylist()]
    assert all(pa.types.is_decimal(parquet.schema.field(name).type) for name in ("billed_cost", "credits", "net_cost"))


def test_the_summary_says_the_invoices_and_its_groups_add_up(month):
    body = month.customer.get(f"/costs/{month.customer.slug}/summary?from={FIRST}&to={LAST}&group_by=service&limit=100")
    days = {key: one for key, one in right("demo", FIRST, LAST + LATE).items() if FIRST <= key[1] <= LAST}
    invoiced = {(one["currency"], one["invoice_month"]): money(one) for one in body["invoice_months"]}

    for total in body["totals"]:
        mine = [one for (currency, _), one in days.items() if currency == total["currency"]]
        assert Decimal(total["net_cost"]) == sum(one.net for one in mine)
        assert Decimal(total["billed_cost"]) == sum(one.billed for one in mine)
        assert Decimal(total["net_cost"]) == sum(Decimal(one["net_cost"]) for one in body["groups"] if one["currency"] == total["currency"])
    assert {total["currency"] for total in body["totals"]} == {"USD", "EUR"}
    assert invoiced == {key: one for key, one in invoices("demo", FIRST, LAST + LATE).items() if key in invoiced}
    assert {("USD", "202609"), ("EUR", "202609")} <= set(invoiced)


def test_raw_rows_are_downloaded_whole_with_their_nesting(month):
    first, last = date(2026, 9, 7), date(2026, 9, 8)
    raw = month.customer.table("gcp_billing_daily_raw", f"?from={first}&to={last}")
    known = {first: 0, last: 0}
    for (_, used), one in right("demo", FIRST, LAST + LATE).items():
        known[used] = known.get(used, 0) + one.rows

    assert raw.num_rows == known[first] + known[last]
    for name in ("labels", "credits", "tags", "system_labels"):
        assert pa.types.is_list(raw.schema.field(name).type), name
    assert sum(len(row) for row in raw.column("credits").to_pylist()) > 0
    assert set(raw.column("cost_type").to_pylist()) == {kind for one in told("demo", first, last) for _, kind in one.by_cost_type}
    both = month.customer.call(
        "GET", f"/costs/{month.customer.slug}/tables/gcp_billing_daily_raw?from={first}&to={first}", Accept="text/csv"
    )
    assert len(list(csv.DictReader(io.StringIO(both.text, newline="")))) == known[first]


@pytest.mark.parametrize(
    ("name", "cost"), [("gcp_cost_daily", "cost"), ("gcp_cost_billing", "cost"), ("billing_cost_daily", "billed_cost")]
)
def test_daily_tables_come_to_the_same_under_every_name(month, name, cost):
    table = month.customer.table(name).to_pylist()
    found: dict[tuple[str, date], Money] = defaultdict(lambda: Money(Decimal(), Decimal(), Decimal(), 0))
    for row in table:
        held = found[row["currency"], row["usage_date"]]
        added = (row[cost], row["credits"], row["net_cost"], row["row_count"])
        found[row["currency"], row["usage_date"]] = Money(*(one + more for one, more in zip(held, added, strict=True)))

    assert found == right("demo", FIRST, LAST + LATE)


def test_the_run_is_copied_into_the_customers_own_dataset(month):
    run_id = month.run["pipeline_logging_id"]

    def mine(name: str) -> list[dict[str, Any]]:
        return [row for row in month.customer.table(name).to_pylist() if row["pipeline_logging_id"] == run_id]

    until(lambda: bool(mine("x_meta_pipeline_runs")))  # all three at once, when the run is over
    for name, wanted in (
        ("x_meta_pipeline_runs", 1),
        ("x_meta_step_logs", 3),
        ("x_meta_dq_results", len(month.run["data_quality"]["results"])),
    ):
        assert len(mine(name)) == wanted, name
    [manifest] = mine("x_load_manifests")
    assert manifest["rows_read"] == manifest["rows_written"] == month.run["totals"]["rows_read"]


def test_another_organisations_key_sees_and_does_nothing(month):
    slug, run_id = month.customer.slug, month.run["pipeline_logging_id"]
    window = {"start_date": str(FIRST), "end_date": str(FIRST)}
    asked: list[tuple[str, str, Any]] = [
        ("GET", f"/pipelines/{slug}", None),
        ("GET", f"/pipelines/runs/{slug}", None),
        *(("GET", f"/pipelines/runs/{slug}/{run_id}{part}", None) for part in ("", "/logs", "/events")),
        ("POST", f"/pipelines/runs/{slug}/{run_id}/cancel", None),
        *(("POST", f"/pipelines/run/{slug}/{name}", window) for name in (BILLING, "gcp/cost/cost_billing", "gcp/billing", "gcp/cost")),
        ("GET", f"/integrations/{slug}", None),
        ("GET", f"/integrations/{slug}/gcp", None),
        ("POST", f"/integrations/{slug}/gcp/setup", {"credential": credential(month.customer.service, "second")}),
        ("POST", f"/integrations/{slug}/gcp/validate", None),
        ("DELETE", f"/integrations/{slug}/gcp", None),
        ("GET", f"/costs/{slug}/daily", None),
        ("GET", f"/costs/{slug}/summary", None),
        *(
            ("GET", f"/costs/{slug}/tables/{name}", None)
            for name in ("gcp_billing_daily_raw", "gcp_cost_daily", "x_load_manifests", "no_such")
        ),
        ("GET", f"/organizations/{slug}/quota", None),
    ]
    before = month.customer.quota()
    for method, path, body in asked:
        problem(month.stranger.call(method, path, body), 403, "not-yours")
    for part in ("", "/logs", "/events"):
        problem(month.stranger.call("GET", f"/pipelines/runs/{month.stranger.slug}/{run_id}{part}"), 404, "missing")
    problem(month.stranger.call("POST", f"/pipelines/runs/{month.stranger.slug}/{run_id}/cancel"), 404, "missing")

    assert month.stranger.daily() == {}
    assert month.stranger.call("GET", f"/costs/{month.stranger.slug}/tables/gcp_billing_daily_raw").status_code == 404
    assert month.customer.quota() == before
    assert month.customer.get(f"/integrations/{slug}/gcp") == month.customer.get(f"/integrations/{slug}/gcp")
    assert month.customer.run(run_id) == month.run
