"""Asking for runs and reading about them, against the real ledger; the worker's part is played by hand."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.core.ledger.tables import dq_results as dq
from src.core.ledger.tables import runs
from tests.acceptance.observed import problem
from tests.app.running_parts import WAIT_SECONDS, House, until

RUNS = "/api/v1/pipelines/runs/acme_corp"


def today(house: House):
    return house.parts.clock.now().date()


async def test_an_accepted_run_is_said_to_run_and_says_where_it_is_found(house):
    answer = await house.ask("acme_corp", {"start_date": "2026-01-01", "end_date": "2026-01-31", "region": "north"}, "fake/cost/fake_cost")

    told = answer.json()
    assert answer.status_code == 202
    assert (told["status"], told["state"], told["reused"]) == ("RUNNING", "QUEUED", False)
    assert (told["org_slug"], told["pipeline_id"]) == ("acme_corp", "acme-corp-fake-cost")
    assert told["window"] == {"start": "2026-01-01", "end": "2026-01-31"}
    assert answer.headers["location"] == told["links"]["run"] == f"{RUNS}/{told['pipeline_logging_id']}"
    assert house.woken.times == 1
    run = house.parts.ledger.read(runs.get, told["pipeline_logging_id"])
    assert run is not None
    assert run.parameters == {"region": "north", "depth": None}


@pytest.mark.parametrize("path", ["fake/cost", "fake/cost/fake_cost", "fake/cost/fake-cost", "fake/billing"])
async def test_every_name_of_a_pipeline_runs_it(house, path):
    answer = await house.ask("acme_corp", path=path)

    assert answer.status_code == 202, answer.text
    assert answer.json()["pipeline_id"] == "acme-corp-fake-cost"


@pytest.mark.parametrize(
    ("path", "status", "code", "says"),
    [
        ("fake/costt", 404, "missing", "did you mean"),
        ("nobody/nothing/here", 404, "missing", "there is no pipeline"),
        ("fake/usage", 422, "rejected", "fake/usage/one, fake/usage/two"),
    ],
)
async def test_a_path_that_names_no_one_pipeline_says_what_there_is(house, path, status, code, says):
    assert says in problem(await house.ask("acme_corp", path=path), status, code)["detail"]


async def test_without_dates_it_is_yesterday(house):
    yesterday = str(today(house) - timedelta(days=1))

    told = (await house.ask("acme_corp")).json()

    assert told["window"] == {"start": yesterday, "end": yesterday}


async def test_today_may_be_named_and_tomorrow_not(house):
    tomorrow = str(today(house) + timedelta(days=1))

    assert (await house.ask("acme_corp", {"date": str(today(house))})).status_code == 202
    for body in ({"date": tomorrow}, {"start_date": "2026-11-01", "end_date": tomorrow}):
        refused = problem(await house.ask("acme_corp", body), 422, "rejected")
        assert "in the future" in refused["detail"]
        assert refused["errors"][0]["field"] in body


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"date": "2026-02-30"}, "date", "calendar"),
        ({"date": "20260101"}, "date", "2026-11-20"),
        ({"date": 20260101}, "date", "2026-11-20"),
        ({"date": "2026-01-01T00:00:00"}, "date", "2026-11-20"),
        ({"date": "2026-01-01", "start_date": "2026-01-01", "end_date": "2026-01-02"}, "body", "either"),
        ({"start_date": "2026-01-01"}, "body", "add end_date"),
        ({"end_date": "2026-01-01"}, "body", "add start_date"),
        ({"start_date": "2026-01-02", "end_date": "2026-01-01"}, "body", "swap"),
        ({"start_date": "2025-01-01", "end_date": "2026-01-02"}, "start_date", "several runs"),
        ({"start_dat": "2025-01-01"}, "start_dat", "did you mean 'start_date'"),
        ({"regio": "north"}, "regio", "did you mean 'region'"),
        ({"zzzz": 1}, "zzzz", "known here"),
        ({"depth": "deep"}, "depth", "whole number"),
        ({"region": "x" * 41}, "region", "longer than"),
    ],
)
async def test_a_body_that_does_not_fit_says_which_field_and_what_to_do(house, body, field, says):
    refused = problem(await house.ask("acme_corp", body), 422, "rejected")

    assert field in [error["field"] for error in refused["errors"]]
    assert says in refused["detail"]
    assert house.woken.times == 0


async def test_a_body_that_is_no_object_is_refused(house):
    async with house.client() as caller:
        for content in (b"[]", b'"2026-01-01"', b"1"):
            problem(await caller.post("/api/v1/pipelines/run/acme_corp/fake/cost", content=content), 422, "rejected")


async def test_a_year_is_the_longest_window(house):
    longest = {"start_date": "2024-01-01", "end_date": "2024-12-31"}
    longer = {"start_date": "2024-01-01", "end_date": "2025-01-01"}

    assert (await house.ask("acme_corp", longest)).status_code == 202
    assert "366" in problem(await house.ask("acme_corp", longer), 422, "rejected")["detail"]


@pytest.mark.parametrize("asked", [{"date": "2009-12-31"}, {"date": "1500-10-01"}, {"start_date": "2009-12-31", "end_date": "2010-01-02"}])
async def test_a_day_before_anything_was_billed_is_refused(house, asked):
    wrong = problem(await house.ask("acme_corp", asked), 422, "rejected")

    assert wrong["errors"][0]["field"] == next(iter(asked))
    assert "2010-01-01" in wrong["detail"]
    assert (await house.ask("acme_corp", {"date": "2010-01-01"})).status_code == 202


async def test_the_same_work_twice_is_one_run(house):
    first = (await house.ask("acme_corp", {"date": "2026-01-01"})).json()
    second = (await house.ask("acme_corp", {"start_date": "2026-01-01", "end_date": "2026-01-01"})).json()

    assert second == {**first, "reused": True}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("statuss=FAILED", "did you mean 'status'"),
        ("org_slug=other", "there is no parameter"),
        ("provider=gcp&provider=aws", "given twice"),
        ("cursor=zzz", "cursor"),
        ("cursor=%27%20OR%201=1", "cursor"),
    ],
)
async def test_what_the_list_of_runs_does_not_know_is_refused(house, query, says):
    assert says in str(problem(await house.read(f"{RUNS}?{query}"), 422, "rejected"))


async def test_an_idempotency_key_answers_its_run_even_when_that_is_over(house):
    async with house.client() as caller:
        path = "/api/v1/pipelines/run/acme_corp/fake/cost"
        first = (await caller.post(path, json={"date": "2026-01-01"}, headers={"Idempotency-Key": "key 1"})).json()
        house.begin(first["pipeline_logging_id"])
        house.end(first["pipeline_logging_id"], "acme_corp")
        again = (await caller.post(path, json={"date": "2026-01-01"}, headers={"Idempotency-Key": "key 1"})).json()
        other = await caller.post(path, json={"date": "2026-01-02"}, headers={"Idempotency-Key": "key 1"})
        wrong = [await caller.post(path, headers={"Idempotency-Key": key}) for key in ("", "x" * 201, "tab\there")]

    assert again["pipeline_logging_id"] == first["pipeline_logging_id"]
    assert (again["status"], again["reused"]) == ("SUCCESS", True)
    problem(other, 409, "conflict")
    for answer in wrong:
        assert "UUID" in problem(answer, 422, "rejected")["detail"]


async def test_runs_are_listed_newest_first_a_page_at_a_time(house):
    made = [await house.accepted("acme_corp", date=f"2026-01-0{day}") for day in range(1, 6)]

    first = await house.found(f"{RUNS}?limit=2")
    second = await house.found(f"{RUNS}?limit=2&cursor={first['next_cursor']}")
    third = await house.found(f"{RUNS}?limit=2&cursor={second['next_cursor']}")

    listed = [run["pipeline_logging_id"] for page in (first, second, third) for run in page["runs"]]
    assert listed == made[::-1]
    assert third["next_cursor"] is None


async def test_listed_runs_are_narrowed_by_each_filter(house):
    waiting = await house.accepted("acme_corp", date="2026-01-01")
    running = await house.accepted("acme_corp", date="2026-01-02")
    house.parts.ledger.write(runs.take, running, house.parts.clock.now())
    over = await house.accepted("acme_corp", date="2026-01-03")
    house.end(over, "acme_corp", "FAILED", error_code="timeout", error_message="too long")
    day = today(house)

    async def listed(query: str) -> set[str]:
        return {run["pipeline_logging_id"] for run in (await house.found(f"{RUNS}?{query}"))["runs"]}

    assert await listed("") == {waiting, running, over}
    assert await listed("status=RUNNING") == {waiting, running}
    assert await listed("state=QUEUED") == {waiting}
    assert await listed("state=RUNNING") == await listed("state=RUNNING&status=RUNNING") == {running}
    assert await listed("status=FAILED") == {over}
    assert await listed("status=FAILED&state=QUEUED") == set()
    assert await listed("provider=fake&trigger=api&pipeline_id=acme-corp-fake-cost") == {waiting, running, over}
    assert await listed("provider=gcp") == await listed("trigger=schedule") == set()
    assert await listed(f"from={day}&to={day}") == {waiting, running, over}
    assert await listed(f"from={day + timedelta(days=1)}") == await listed(f"to={day - timedelta(days=1)}") == set()
    assert len(await listed("from=0001-01-01&to=9999-12-31")) == 3


async def test_a_run_is_shown_with_steps_errors_and_judgements(house):
    house.dataset("acme_corp")
    run_id = await house.accepted("acme_corp", date="2026-01-01")
    house.begin(run_id)
    house.tell(run_id, step_id="load_rows", step_index=2, steps=2, doing="loading", rows=5, rows_total=10, percent=75.0, eta_seconds=1.5)
    house.log_step(run_id, "acme_corp", status="FAILED", error_code="throttled", error_message="slow down", result={"status": "FAILED"})
    house.log_step(run_id, "acme_corp", attempt=2, rows_processed=5, result={"rows_processed": 5})
    _judge(house, run_id, passed=False)

    shown = await house.found(f"{RUNS}/{run_id}")

    assert (shown["status"], shown["state"], shown["attempt"]) == ("RUNNING", "RUNNING", 1)
    assert shown["progress"]["step"] == "load_rows"
    assert (shown["progress"]["rows"], shown["progress"]["percent"]) == (5, 75.0)
    assert [(step["attempt"], step["status"], step["rows_processed"]) for step in shown["steps"]] == [
        (1, "FAILED", None),
        (2, "SUCCESS", 5),
    ]
    assert shown["steps"][0]["error"] == {"code": "throttled", "message": "slow down"}
    assert (shown["data_quality"]["passed"], shown["data_quality"]["failed"], shown["data_quality"]["critical"]) == (0, 1, 1)
    assert shown["data_quality"]["results"][0]["observed"] == "12.345678901234567890"

    house.end(run_id, "acme_corp", rows_processed=10)
    over = await house.found(f"{RUNS}/{run_id}")
    assert (over["status"], over["progress"]["percent"], over["rows_processed"]) == ("SUCCESS", 100.0, 10)


def _judge(house: House, run_id: str, *, passed: bool) -> None:
    finding = dq.Finding(
        expectation_index=0,
        type="expect_column_sum_to_be_between",
        column="cost",
        severity="critical",
        passed=passed,
        observed="12.345678901234567890",
        expected={"max_value": 1},
        rows_judged=3,
        rows_failing=None,
        sentence="too much",
    )
    house.parts.ledger.write(
        dq.record,
        run_id=run_id,
        generation=1,
        org_slug="acme_corp",
        step_id="load_rows",
        suite="billing",
        table="gcp_cost_daily",
        findings=[finding],
        at=house.parts.clock.now(),
    )


@pytest.mark.parametrize("what", ["", "/logs", "/events"])
async def test_a_run_of_somebody_else_is_not_there(house, what):
    other = house.organisation("other_corp")
    run_id = await house.accepted("acme_corp")

    for path in (
        f"/api/v1/pipelines/runs/other_corp/{run_id}{what}",
        f"{RUNS}/{'0' * 32}{what}",
        f"/api/v1/pipelines/runs/nobody_here/{run_id}{what}",
    ):
        problem(await house.read(path), 404, "missing")
    async with house.client(**{"X-API-Key": other}) as caller:
        problem(await caller.get(f"/api/v1/pipelines/runs/other_corp/{run_id}{what}"), 404, "missing")
        problem(await caller.get(f"{RUNS}/{run_id}{what}"), 403, "not-yours")


async def test_a_run_of_somebody_else_is_not_cancelled(house):
    other = house.organisation("other_corp")
    run_id = await house.accepted("acme_corp")
    async with house.client(**{"X-API-Key": other}) as caller:
        problem(await caller.post(f"/api/v1/pipelines/runs/other_corp/{run_id}/cancel"), 404, "missing")

    assert (await house.found(f"{RUNS}/{run_id}"))["status"] == "RUNNING"


async def test_an_organisation_runs_cancels_and_reads_with_its_own_key(house):
    house.organisation("third_corp")
    api_key = house.organisation("second_corp")
    async with house.client(**{"X-API-Key": api_key, "X-User-ID": "user-7"}) as caller:
        run_id = (await caller.post("/api/v1/pipelines/run/second_corp/fake/cost")).json()["pipeline_logging_id"]
        shown = (await caller.get(f"/api/v1/pipelines/runs/second_corp/{run_id}")).json()
        refused = await caller.post("/api/v1/pipelines/run/third_corp/fake/cost")
        cancelled = await caller.post(f"/api/v1/pipelines/runs/second_corp/{run_id}/cancel")

    assert shown["user_id"] == "user-7"
    problem(refused, 403, "not-yours")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "CANCELLED")


async def test_a_running_run_is_asked_to_stop_and_one_that_is_over_is_not(house):
    run_id = await house.accepted("acme_corp")
    house.begin(run_id)
    async with house.client() as caller:
        asked = await caller.post(f"{RUNS}/{run_id}/cancel")
        house.end(run_id, "acme_corp", "CANCELLED")
        late = await caller.post(f"{RUNS}/{run_id}/cancel")

    assert (asked.status_code, asked.json()["state"]) == (202, "RUNNING")
    assert house.woken.nudged == [run_id]
    with house.parts.ledger.reading() as unit:
        audit = unit.tables["org_audit_logs"]
        found = unit.rows(audit.select().where(audit.c.action == "runs.cancel").order_by(audit.c.audit_id))
    assert [(row.outcome, row.resource) for row in found] == [("SUCCESS", f"runs/{run_id}"), ("FAILED", f"runs/{run_id}")]
    assert "CANCELLED" in problem(late, 409, "conflict")["detail"]


async def test_what_can_be_run_says_how_and_how_it_went_last(house):
    run_id = await house.accepted("acme_corp", date="2026-01-01")
    newer = await house.accepted("acme_corp", date="2026-01-02")
    house.end(run_id, "acme_corp", "FAILED")

    offered = {one["id"]: one for one in (await house.found("/api/v1/pipelines/acme_corp"))["pipelines"]}

    cost = offered["fake/cost/fake_cost"]
    assert set(offered) == {"fake/cost/fake_cost", "fake/usage/one", "fake/usage/two"}
    assert cost["path"] == "/api/v1/pipelines/run/acme_corp/fake/cost/fake_cost"
    assert cost["aliases"] == ["/api/v1/pipelines/run/acme_corp/fake/billing"]
    assert (cost["window"]["earliest"], cost["window"]["latest"]) == ("2010-01-01", str(today(house)))
    assert [(given["name"], given["type"], given["required"], given["default"]) for given in cost["inputs"]] == [
        ("region", "string", False, "everywhere"),
        ("depth", "integer", False, None),
    ]
    assert (cost["last_run"]["pipeline_logging_id"], cost["last_run"]["state"]) == (newer, "QUEUED")
    assert offered["fake/usage/one"]["last_run"] is None
    async with house.client() as caller:
        for one in offered.values():
            assert (await caller.post(one["path"])).status_code == 202


async def test_the_plan_is_the_limit_and_its_refusal_says_so(house):
    house.organisation("small_corp", "STARTER")
    await house.accepted("small_corp", date="2026-01-01")

    refused = problem(await house.ask("small_corp", {"date": "2026-01-02"}), 429, "quota-exceeded")

    assert (refused["reason"], refused["used"], refused["limit"]) == ("concurrent", 1, 1)
    quota = await house.found("/api/v1/organizations/small_corp/quota")
    assert (quota["may_run"], quota["reason"]) == (False, "concurrent")
    assert quota["why"] == refused["detail"]


async def test_waiting_answers_when_the_run_is_over(house):
    async with house.client() as caller:
        waiting = asyncio.create_task(caller.post("/api/v1/pipelines/run/acme_corp/fake/cost?wait=true", json={"date": "2026-01-01"}))
        await until(lambda: house.woken.times == 1)
        run_id = (await house.found(RUNS))["runs"][0]["pipeline_logging_id"]
        house.begin(run_id)
        house.end(run_id, "acme_corp", "FAILED", error_code="timeout", error_message="too long")
        answer = await waiting

    assert answer.status_code == 200
    assert answer.json() == await house.found(f"{RUNS}/{run_id}")
    assert answer.json()["error"] == {"code": "timeout", "message": "too long"}
    assert house.app.state.watchers.of("acme_corp") == 0


async def test_a_service_that_stops_answers_those_who_wait(house):
    async with house.client() as caller:
        waiting = asyncio.create_task(caller.post("/api/v1/pipelines/run/acme_corp/fake/cost?wait=true"))
        await until(lambda: house.woken.times == 1)
        house.app.state.watchers.stopping.set()
        async with asyncio.timeout(WAIT_SECONDS):
            answer = await waiting

    assert (answer.status_code, answer.json()["state"]) == (202, "QUEUED")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(start=st.integers(-800, 2), length=st.integers(0, 500))
async def test_windows_are_taken_up_to_a_year_and_up_to_today(house, start, length):
    first = today(house) + timedelta(days=start)
    last = first + timedelta(days=length)
    answer = await house.ask("acme_corp", {"start_date": str(first), "end_date": str(last)})

    fits = last <= today(house) and length < 366
    assert answer.status_code == (202 if fits else 422), answer.text
    if fits:
        told = answer.json()
        assert told["window"] == {"start": str(first), "end": str(last)}
        if not told["reused"]:
            house.end(told["pipeline_logging_id"], "acme_corp", "CANCELLED")
            house.parts.ledger.write(_forget_use)


def _forget_use(unit) -> None:
    unit.change(unit.tables["org_usage_quotas"].update().values(pipelines_run_today=0, pipelines_run_month=0))


async def test_who_asked_in_vain_stands_in_the_audit_trail(house):
    await house.ask("acme_corp", {"date": "2999-01-01"})

    with house.parts.ledger.reading() as unit:
        audit = unit.tables["org_audit_logs"]
        found = unit.rows(audit.select().where(audit.c.action == "runs.accept"))
    assert [(row.outcome, row.org_slug, row.resource) for row in found] == [("FAILED", "acme_corp", "pipelines/fake/cost/fake_cost")]
