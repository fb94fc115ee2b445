"""Costs as a customer reads them: over HTTP, from a service that has loaded some."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx2
import pyarrow.parquet as pq
import pytest

from src.core.base.clock import SystemClock
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.settings import Settings
from src.core.engine import open_warehouse
from tests.core.costs.bills import cost, manifest, mark, prepare, publish
from tests.fakes.running import ROOT_KEY, RunningService

DAYS = [date(2026, 6, 1) + timedelta(days=number) for number in range(5)]
BASE = "/api/v1/costs/read_costs"
RANGE = "from=2026-06-01&to=2026-06-06"
PARQUET = "application/vnd.apache.parquet"


def load(data) -> None:
    settings = Settings(_env_file=None).model_copy(update={"embedded_data_dir": data})
    warehouse = open_warehouse(settings, SystemClock())
    tenant = Tenant(org_slug("read_costs"), Environment.DEVELOPMENT)
    prepare(warehouse, tenant)
    rows = [cost(day, "10.10", "-0.000000001", service=service) for day in DAYS for service in ("Compute", "=HYPERLINK()")]
    rows += [cost(DAYS[0], "3", currency="EUR", service="Compute"), cost(date(2026, 5, 3), "5", service="Compute")]
    as_of = datetime(2026, 6, 2, tzinfo=UTC)
    marked = [*(mark(day) for day in DAYS[:4]), mark(DAYS[4], "provisional", source_as_of=as_of, completeness_reason="rows may still come")]
    invoice: dict[str, object] = {
        "provider": "gcp",
        "invoice_month": "202606",
        "currency": "USD",
        "billed_cost": "101",
        "credits": "0",
        "net_cost": "101",
    }
    invoice |= {"row_count": 10, "pipeline_logging_id": "run", "published_at": as_of}
    history: dict[str, object] = {
        "provider": "gcp",
        "grain": "day",
        "period": "2026-06-02",
        "currency": "USD",
        "net_before": "19",
        "net_after": "20.2",
    }
    history |= {"said_since": as_of, "changed_at": as_of, "reason": "2 rows came late", "pipeline_logging_id": "run"}
    publish(
        warehouse,
        tenant,
        gcp_cost_daily=rows,
        x_cost_daily=marked,
        x_cost_monthly=[invoice],
        x_cost_history=[history],
        x_load_manifests=[manifest(as_of)],
    )
    warehouse.close()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory):
    running = RunningService(tmp_path_factory.mktemp("costs") / "data").start().bootstrap()
    try:
        key = running.key_of("read_costs")
        running.key_of("nothing_yet")
        running.stop()
        load(running.data)
        running.start()
        yield lambda path, **headers: running.call("GET", path, key=key, **headers)
    finally:
        running.stop()


def rows_of(answer: httpx2.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_every_day_is_there_with_its_completeness_and_exact_amounts(loaded):
    body = loaded(f"{BASE}/daily?{RANGE}&currency=usd").json()

    assert [row["usage_date"] for row in body["rows"]] == [f"2026-06-0{day}" for day in range(1, 7)]
    assert [row["completeness"] for row in body["rows"]] == ["complete"] * 4 + ["stale", "missing"]
    assert body["rows"][0]["billed_cost"] == "20.20"
    assert body["rows"][0]["net_cost"] == "20.199999998"
    assert body["rows"][5]["net_cost"] is None
    assert "rows may still come" in body["rows"][4]["completeness_reason"]
    amounts = {"billed_cost": "101.00", "credits": "-0.00000001", "net_cost": "100.99999999", "row_count": 10}
    # what is marked here tells how whole the days are, and no figure of them
    assert body["totals"] == [{"currency": "USD", **amounts, "figure": None}]
    assert body["completeness"] == {"complete": 4, "provisional": 0, "stale": 1, "unpriced": 0, "partial": 0, "missing": 1}
    assert body["as_of"] == "2026-11-20T06:00:00Z"


def test_pages_follow_each_other_and_say_the_same_totals(loaded):
    path = f"{BASE}/daily?{RANGE}&group_by=service&limit=4"
    found: list[dict[str, str]] = []
    whole = loaded(f"{BASE}/daily?{RANGE}&group_by=service").json()
    cursor = ""
    for _ in range(3):
        page = loaded(path + cursor).json()
        assert page["totals"] == whole["totals"]
        found += page["rows"]
        cursor = f"&cursor={page['next_cursor']}"

    assert found == whole["rows"]
    assert page["next_cursor"] is None
    assert len(found) == 12
    assert [row["service"] for row in found[:3]] == ["=HYPERLINK()", "Compute", "Compute"]


def test_a_cursor_of_another_question_is_refused(loaded):
    cursor = loaded(f"{BASE}/daily?{RANGE}&limit=1").json()["next_cursor"]

    assert loaded(f"{BASE}/daily?{RANGE}&limit=2&cursor={cursor}").status_code == 200
    for other in (f"{RANGE}&group_by=sku&cursor={cursor}", f"from=2026-06-02&to=2026-06-06&cursor={cursor}", f"{RANGE}&cursor=nonsense"):
        answer = loaded(f"{BASE}/daily?{other}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv; charset=utf-8"),
        (PARQUET, PARQUET),
        ("text/html, text/*;q=0.5, application/json;q=0.1", "text/csv; charset=utf-8"),
        ("application/json;q=0, */*", "text/csv; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("what", ["daily", "summary"])
def test_the_form_follows_accept(loaded, what, accept, form):
    answer = loaded(f"{BASE}/{what}?{RANGE}", Accept=accept)

    # Parquet is packed by itself
    vary = "Accept" if form == PARQUET else "Accept, Accept-Encoding"
    assert (answer.status_code, answer.headers["content-type"], answer.headers["vary"]) == (200, form, vary)


@pytest.mark.parametrize("what", ["daily", "summary", "tables/gcp_cost_daily"])
def test_other_forms_are_refused_as_a_problem(loaded, what):
    answer = loaded(f"{BASE}/{what}", Accept="text/html")

    assert answer.status_code == 406
    assert answer.headers["content-type"] == "application/problem+json"
    assert "text/csv" in answer.json()["detail"]


def test_files_say_the_same_as_json(loaded):
    body = loaded(f"{BASE}/daily?{RANGE}&group_by=service").json()["rows"]
    lines = rows_of(loaded(f"{BASE}/daily?{RANGE}&group_by=service", Accept="text/csv"))
    parquet = loaded(f"{BASE}/daily?{RANGE}&group_by=service&format=parquet")
    table = pq.read_table(io.BytesIO(parquet.content)).to_pylist()

    assert parquet.headers["content-disposition"] == 'attachment; filename="read_costs_costs_daily_2026-06-01_2026-06-06.parquet"'
    assert [Decimal(row["net_cost"]) if row["net_cost"] else None for row in lines] == [row["net_cost"] for row in table]
    assert [row["net_cost"] and Decimal(row["net_cost"]) for row in body] == [row["net_cost"] for row in table]
    assert [row["service"] for row in table] == [row["service"] for row in body]
    assert lines[0]["service"] == "'=HYPERLINK()"


def test_a_page_of_a_file_links_to_the_next(loaded):
    answer = loaded(f"{BASE}/daily?{RANGE}&limit=2&format=csv")
    following = answer.headers["link"].partition(">")[0].removeprefix("<")

    assert answer.headers["link"].endswith('rel="next"')
    # a caller behind a proxy knows this service by another host
    assert following.startswith(f"{BASE}/daily?")
    assert rows_of(loaded(following))[0] not in rows_of(answer)


def test_the_summary_compares_and_explains(loaded):
    body = loaded(f"{BASE}/summary?{RANGE}&group_by=service").json()

    assert (body["previous"]["from"], body["previous"]["to"]) == ("2026-05-01", "2026-05-06")
    assert (body["previous"]["compare"], body["previous"]["days"]) == ("previous_month", 6)
    assert [(one["currency"], one["service"]) for one in body["groups"]] == [
        ("EUR", "Compute"),
        ("USD", "=HYPERLINK()"),
        ("USD", "Compute"),
    ]
    compute = body["groups"][2]
    assert (compute["net_cost"], compute["previous"]["net_cost"]) == ("50.499999995", "5.00")
    assert body["previous"]["completeness"]["missing"] > 0
    # no growth against days never loaded
    assert {name: told for name, told in compute["change"].items() if told is not None} == {"why_null": compute["change"]["why_null"]}
    assert "5 of 6 days of 2026-05-01 to 2026-05-06 lack money" in compute["change"]["why_null"]
    assert body["groups"][0]["change"]["net_cost"] is None
    assert [total["currency"] for total in body["totals"]] == ["EUR", "USD"]
    assert body["invoice_months"][0]["net_cost"] == "101.00"
    assert body["restatements"][0]["sentence"] == (
        "2 June 2026: 19.00 USD became 20.20 USD (+1.20) on 2 June: Google Cloud, 2 rows came late."
    )


def test_a_table_is_downloaded_in_a_window(loaded):
    answer = loaded(f"{BASE}/tables/gcp_cost_daily?from=2026-06-01&to=2026-06-01")
    parquet = loaded(f"{BASE}/tables/billing_cost_daily", Accept=PARQUET)

    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="read_costs_gcp_cost_daily_2026-06-01_2026-06-01.csv"'
    assert len(rows_of(answer)) == 3
    assert pq.read_table(io.BytesIO(parquet.content)).num_rows == 12
    misspelt = loaded(f"{BASE}/tables/gcp_cost_dayly")
    assert misspelt.status_code == 404
    assert "did you mean 'gcp_cost_daily'" in misspelt.json()["detail"]
    assert loaded(f"{BASE}/tables/x_fences").status_code == 404


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("servcie=Compute", "did you mean 'service'"),
        ("service=a&service=b", "given twice"),
        ("from=2026-06-02&to=2026-06-01", "lies after"),
        ("from=2024-01-01&to=2026-06-01", "at most 366"),
        ("group_by=sku,region,service", "at most 2"),
        ("limit=5001", "limit"),
    ],
)
def test_a_question_that_would_be_misread_is_refused(loaded, query, said):
    answer = loaded(f"{BASE}/daily?{query}")

    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_only_the_organisation_and_the_admin_may_read(loaded):
    assert loaded("/api/v1/costs/nothing_yet/daily").status_code == 403
    empty = loaded("/api/v1/costs/nothing_yet/daily", X_CA_Root_Key=ROOT_KEY)
    assert empty.status_code == 200
    assert {row["completeness"] for row in empty.json()["rows"]} == {"missing"}
    assert loaded("/api/v1/costs/nobody_here/daily", X_CA_Root_Key=ROOT_KEY).status_code == 404
