"""The same work asked for again: while it goes on, under a key of the caller's, under another name, and when it is over."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from tests.acceptance.observed import new_slug, problem
from tests.acceptance.test_bill_journey import BILLING, LATE, Customer, right
from tests.fakes.running import RunningService

NAMES = (BILLING, "gcp/cost/cost_billing", "gcp/billing", "gcp/cost")
FIRST = date(2026, 9, 1)
TOLD_OF_RUNS = {"told_since", "pipeline_logging_id", "published_at", "loaded_at", "seen_at"}


@pytest.fixture
def service(sandboxed: RunningService) -> RunningService:
    return sandboxed


def contents(customer: Customer) -> dict[str, list[str]]:
    """Every row of every table a window is made of, in an order of its own; what names the run that wrote it left out."""
    names = ("gcp_billing_daily_raw", "gcp_cost_daily", "billing_cost_daily", "x_cost_daily", "x_cost_monthly", "x_source_slices")
    return {name: ordered(customer.table(name)) for name in names}


def ordered(table: pa.Table) -> list[str]:
    kept = [name for name in table.column_names if name not in TOLD_OF_RUNS]
    return sorted(repr(row) for row in table.select(kept).to_pylist())


def test_the_same_window_under_every_name_while_it_goes_on_is_one_run(service):
    customer = Customer.of(service, new_slug("echo"))
    first = customer.ask(FIRST, FIRST + timedelta(days=13))
    again = [customer.ask(FIRST, FIRST + timedelta(days=13), name) for name in NAMES]

    assert [answer.status_code for answer in (first, *again)] == [202] * 5
    ids = {answer.json()["pipeline_logging_id"] for answer in (first, *again)}
    assert len(ids) == 1
    quota = customer.quota()
    assert (quota["day"]["used"], quota["month"]["used"], quota["running"]["used"]) == (1, 1, 1)
    assert customer.settled(ids.pop())["status"] == "SUCCESS"
    runs = customer.get(f"/pipelines/runs/{customer.slug}?provider=gcp&pipeline_id={customer.slug.replace('_', '-')}-gcp-cost")["runs"]
    assert len(runs) == 1
    assert customer.daily() == right("demo", FIRST, FIRST + timedelta(days=13) + LATE)


def test_a_window_run_again_under_every_name_leaves_the_rows_it_left(service):
    customer = Customer.of(service, new_slug("twice"), subscription_plan="PROFESSIONAL")
    last = FIRST + timedelta(days=2)
    runs = [customer.loaded(FIRST, last, late_days=0)]
    once = contents(customer)
    for name in NAMES:
        runs.append(customer.loaded(FIRST, last, name, late_days=0))
        assert contents(customer) == once, name
    runs.append(customer.loaded(FIRST, last, late_days=0, reload=True))

    assert contents(customer) == once
    assert len({run["pipeline_logging_id"] for run in runs}) == len(runs)
    assert {run["pipeline_id"] for run in runs} == {f"{customer.slug.replace('_', '-')}-gcp-cost"}
    assert customer.daily() == right("demo", FIRST, last)
    assert customer.table("x_cost_history").num_rows == 0


def test_windows_that_overlap_leave_the_rows_that_one_over_both_leaves(service):
    apart = Customer.of(service, new_slug("apart"), subscription_plan="PROFESSIONAL")
    whole = Customer.of(service, new_slug("whole"), subscription_plan="PROFESSIONAL")
    for start, end in ((2, 4), (0, 3), (4, 5)):
        apart.loaded(FIRST + timedelta(days=start), FIRST + timedelta(days=end), late_days=0)
    whole.loaded(FIRST, FIRST + timedelta(days=5), late_days=0)

    assert whole.daily() == right("demo", FIRST, FIRST + timedelta(days=5))
    for name in ("gcp_billing_daily_raw", "gcp_cost_daily"):
        assert ordered(apart.table(name)) == ordered(whole.table(name)), name


def test_an_idempotency_key_names_its_run_for_good_and_no_other_work(service):
    customer = Customer.of(service, new_slug("keyed"))
    path = f"/pipelines/run/{customer.slug}/{BILLING}"

    def asked(body: dict[str, Any], key: str = "nightly-1") -> Any:
        return customer.call("POST", path, body, Idempotency_Key=key)

    body = {"date": str(FIRST), "late_days": 0}
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda _: asked(body), range(8)))
    assert {answer.status_code for answer in answers} == {202}
    [run_id] = {answer.json()["pipeline_logging_id"] for answer in answers}
    assert customer.settled(run_id)["status"] == "SUCCESS"

    late = asked(body)
    assert late.status_code < 300
    assert late.json()["pipeline_logging_id"] == run_id
    other = problem(asked({"date": "2026-09-02"}), 409, "conflict")
    assert other["pipeline_logging_id"] == run_id
    assert customer.quota()["day"]["used"] == 1
    fresh = asked(body, "nightly-2")
    assert fresh.json()["pipeline_logging_id"] != run_id
    assert customer.settled(fresh.json()["pipeline_logging_id"])["status"] == "SUCCESS"


def test_one_customers_idempotency_key_is_nothing_to_another(service):
    pair = [Customer.of(service, new_slug("pair"), account) for account in ("demo", "second")]
    answers = [
        one.call("POST", f"/pipelines/run/{one.slug}/{BILLING}?wait=true", {"date": str(FIRST), "late_days": 0}, Idempotency_Key="same")
        for one in pair
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["pipeline_logging_id"] != answers[1].json()["pipeline_logging_id"]
    assert [one.daily() for one in pair] == [right("demo", FIRST, FIRST), right("second", FIRST, FIRST)]
