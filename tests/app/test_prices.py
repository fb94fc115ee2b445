"""Prices and subscriptions as callers ask for them, in a service of this process."""

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from src.app.models import openai_data_models
from src.app.models.llm_data import PriceRequest
from src.app.routers import llm_data, openai_data
from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.schema import Field, TableSchema
from src.core.base.settings import ROOT
from src.core.base.window import Window
from src.core.ledger.tables import audit
from src.core.pipeline.catalog import Catalog
from src.core.step.prices.kinds import PRICING, seed_of
from src.core.step.prices.store import BookStore
from tests.acceptance.observed import problem
from tests.app.running_parts import House
from tests.core.step.prices.told_costs import price_all
from tests.core.step.prices.told_costs import use as told_use
from tests.fakes.served import served

SLUG = "acme_corp"
AT = f"/api/v1/integrations/{SLUG}/openai"
ODD = "ft:gpt-4.1:acme/eu::9PzX"
HEAD = "model,token_kind,price,effective_from,effective_to"
CALLERS = 200
TENANT = Tenant(org_slug(SLUG), Environment.DEVELOPMENT)
PLAN_COSTS = """
SELECT completeness, cost FROM openai_subscriptions_monthly
WHERE plan_name = 'ChatGPT Business' AND billing_period = 'month' ORDER BY usage_date
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House.build(tmp_path)
    made.parts.__dict__["catalog"] = Catalog.load(ROOT / "configs")
    made.organisation(SLUG)
    made.parts.warehouse.ensure_dataset(TENANT)
    yield made
    made.parts.close()


async def call(house: House, method: str, path: str, **more: Any) -> httpx2.Response:
    async with house.client() as caller:
        return await caller.request(method, f"{AT}{path}", **more)


async def done(house: House, method: str, path: str, **more: Any) -> Any:
    answer = await call(house, method, path, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def laid(house: House) -> Any:
    return await done(house, "POST", "/pricing/reset")


def audits(house: House) -> list[tuple[str, str, Any]]:
    return [
        (row.action, row.outcome, row.details)
        for row in house.parts.ledger.read(audit.page, SLUG, None, 50)
        if row.action.startswith("pricing")
    ]


async def test_before_setup_it_is_said_what_makes_the_book_and_reset_makes_it(house: House):
    missing = problem(await call(house, "GET", "/pricing"), 404, "missing")
    made = await laid(house)
    again = await laid(house)
    plans = await done(house, "POST", "/subscriptions/reset")

    assert "POST /api/v1/integrations/acme_corp/openai/setup makes it" in missing["detail"]
    assert (made["table"], made["table_created"], made["changed"], made["closed"], made["dry_run"]) == (
        "openai_model_pricing",
        True,
        True,
        0,
        False,
    )
    assert made["opened"] > 1000
    assert made["pipeline_logging_id"]
    assert (again["table_created"], again["changed"], again["opened"]) == (False, False, 0)
    assert (plans["table"], plans["opened"] > 5) == ("openai_subscriptions", True)
    assert [(action, outcome, details["changed"]) for action, outcome, details in audits(house)] == [
        ("pricing.reset", "SUCCESS", False),
        ("pricing.reset", "SUCCESS", True),
    ]


async def test_a_rate_is_added_updated_announced_withdrawn_and_deleted(house: House):
    await laid(house)
    rate = {"model": ODD, "token_kind": "input", "price": "3.0", "source": "contract"}

    added = await done(house, "POST", "/pricing", json=rate)
    twice = await call(house, "POST", "/pricing", json=[rate])
    announced = await done(house, "PUT", f"/pricing/{ODD}", json={"price": 2.5, "effective_from": "2027-01-01"})
    both = await done(house, "GET", f"/pricing?model={ODD}")
    later = await done(house, "GET", f"/pricing?model={ODD}&at=2027-01-01")
    back = await done(house, "DELETE", f"/pricing/{ODD}?withdraw=true")
    gone = await done(house, "DELETE", f"/pricing/{ODD}")
    over = await done(house, "GET", f"/pricing?model={ODD}")
    then = await done(house, "GET", f"/pricing?model={ODD}&as_of={announced['at'].replace('+', '%2B')}")
    history = await done(house, "GET", f"/pricing?model={ODD}&history=true")

    assert (added["changed"], added["opened_count"], added["closed_count"]) == (True, 1, 0)
    assert [(one["model"], one["price"], one["origin"], one["state"]) for one in added["opened"]] == [(ODD, "3.0", "own", "applies")]
    assert "has a rate since its launch" in problem(twice, 409, "conflict")["detail"]
    assert [(one["price"], one["state"]) for one in both["rows"]] == [("3", "applies"), ("2.5", "announced")]
    assert [one["price"] for one in later["rows"]] == ["2.5"]
    assert [(one["price"], one["closed_because"]) for one in back["closed"]] == [("3", "extended"), ("2.5", "withdrawn")]
    assert [one["closed_because"] for one in gone["closed"]] == ["deleted"]
    assert [one["state"] for one in over["rows"]] == ["over"]
    assert [one["price"] for one in then["rows"]] == ["3", "2.5"]
    assert len(history["rows"]) == 5
    assert (await call(house, "DELETE", "/pricing/no/such:model")).status_code == 404
    assert [(action, outcome) for action, outcome, _ in audits(house)][:3] == [
        ("pricing.delete", "FAILED"),
        ("pricing.delete", "SUCCESS"),
        ("pricing.withdraw", "SUCCESS"),
    ]


async def test_a_dry_run_answers_what_it_would_change_and_changes_nothing(house: House):
    await laid(house)
    before = await done(house, "GET", "/pricing?limit=5000")
    body = {"price": "1", "token_kind": "input", "service_tier": "standard", "prompt_tokens_over": 0}

    would = await done(house, "PUT", "/pricing/gpt-4.1?dry_run=true", json=body)
    less = await done(
        house, "POST", "/pricing/discount?dry_run=true", json={"percent": 10, "model": "gpt-4.1", "effective_from": "2027-01-01"}
    )
    none = await done(house, "POST", "/pricing/reset?dry_run=true")

    assert (would["dry_run"], would["changed"], would["costs_known"], would["costs"]) == (True, True, False, [])
    assert (
        would["costs_unknown_because"] == none["costs_unknown_because"] == "openai has no costs yet; a run of openai/usage_cost makes them"
    )
    assert [(one["model"], one["price"], one["origin"]) for one in would["opened"] if one["origin"] == "own"] == [("gpt-4.1", "1", "own")]
    assert {one["note"] for one in less["opened"] if one["origin"] == "own"} > {"list price 2 less 10 %"}
    assert (none["dry_run"], none["changed"], none["pipeline_logging_id"]) == (True, False, None)
    assert (await done(house, "GET", "/pricing?limit=5000"))["rows"] == before["rows"]


async def test_pages_and_files_hold_the_same_rows_and_a_file_goes_in_as_it_came_out(house: House):
    await laid(house)
    whole = await done(house, "GET", "/pricing?limit=5000")
    pages: list[Any] = []
    cursor: Any = ""
    while cursor is not None:
        page = await done(house, "GET", f"/pricing?limit=400{f'&cursor={cursor}' if cursor else ''}")
        pages, cursor = [*pages, *page["rows"]], page["next_cursor"]

    file = await call(house, "GET", "/pricing", headers={"Accept": "text/csv"})
    back = await done(house, "POST", "/pricing?dry_run=true", content=file.content, headers={"Content-Type": "text/csv"})
    foreign = await call(
        house, "GET", f"/pricing?limit=5&model=gpt-4.1&cursor={(await done(house, 'GET', '/pricing?limit=1'))['next_cursor']}"
    )
    forged = await call(house, "GET", "/pricing?cursor=WzEsMl0")

    assert pages == whole["rows"]
    assert file.text.count("\n") == len(pages) + 1
    assert file.text.splitlines()[0].startswith("provider,model,token_kind,service_tier,")
    # laid by the organisation, the same prices are its own
    assert {(one["price"], one["origin"]) for one in back["opened"]} <= {(one["price"], "own") for one in pages}
    assert back["opened_count"] == len(pages)
    assert "another question" in problem(foreign, 422, "rejected")["detail"]
    assert "start again without it" in problem(forged, 422, "rejected")["detail"]


async def test_a_file_takes_the_place_of_what_is_there_or_of_everything(house: House):
    await laid(house)
    csv = {"Content-Type": "text/csv; charset=utf-8"}
    line = f"{HEAD}\ngpt-4.1,input,1.75,2026-12-01,2027-01-01\n"

    over = await done(house, "POST", "/pricing", content=line, headers=csv)
    of_year_end = await done(house, "GET", "/pricing?model=gpt-4.1&token_kind=input&service_tier=standard&at=2026-12-31")
    alone = await done(house, "POST", "/pricing?replace=true&effective_from=2027-02-01", content=f"{HEAD}\nx,input,1,,\n", headers=csv)
    left = await done(house, "GET", "/pricing?at=2027-02-01")
    wrong = await call(house, "POST", "/pricing", content=f"{HEAD}\nx,inptu,1,,\nx,input,-1,,\n", headers=csv)
    other = await call(house, "POST", "/pricing", content="provider,model,token_kind,price\nacme,x,input,1\n", headers=csv)
    early = await call(house, "POST", "/pricing", content=f"{HEAD}\nx,input,1,0001-01-01T00:00:00+14:00,\n", headers=csv)
    bytes_ = await call(house, "POST", "/pricing", content=b"\xff\xfe", headers=csv)
    form = await call(house, "POST", "/pricing", content="a", headers={"Content-Type": "text/plain"})

    assert over["opened_count"] >= 1
    assert [one["price"] for one in of_year_end["rows"]] == ["1.75"]
    assert alone["changed"]
    assert [(one["model"], one["origin"]) for one in left["rows"]] == [("x", "own")]
    errors = problem(wrong, 422, "rejected")["errors"]
    assert [(one["file"], one["line"], one["field"]) for one in errors] == [
        ("body", 2, "token_kind"),
        ("body", 2, "per"),
        ("body", 3, "price"),
    ]
    assert "this book is of openai" in problem(other, 422, "rejected")["detail"]
    assert "not UTF-8" in problem(bytes_, 422, "rejected")["detail"]
    assert "before the year 1" in problem(early, 422, "rejected")["detail"]
    assert form.status_code == 415


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": "x", "token_kind": "input", "price": "1e999999999"}, "price"),
        ({"model": "x", "token_kind": "input", "price": -1}, "price"),
        ({"model": "x", "token_kind": "input", "price": True}, "price"),
        ({"model": "x", "token_kind": "input", "price": 1, "effective_from": "2026-09-01T10:00:00"}, "effective_from"),
        ({"model": "x", "token_kind": "input", "price": 1, "tier": "batch"}, "tier"),
        ({"model": "x", "token_kind": "input", "price": 1, "effective_from": "0001-01-01T00:00:00+14:00"}, "effective_from"),
        ({"model": "x", "token_kind": "input", "price": 1, "effective_to": 1}, "effective_to"),
        ({"model": "x", "price": 1}, "token_kind"),
        ([], "body"),
        ([{"model": "x", "token_kind": "input", "price": 1}, 7], "[1]"),
    ],
    ids=str,
)
async def test_a_rate_that_is_none_is_refused_where_it_is_wrong(house: House, body: Any, field: str):
    answer = problem(
        await call(house, "POST", "/pricing", content=json.dumps(body), headers={"Content-Type": "application/json"}), 422, "rejected"
    )

    assert [one["field"] for one in answer["errors"]] == [field]


async def test_plans_have_seats_and_a_price_of_their_own(house: House):
    await done(house, "POST", "/subscriptions/reset")
    listed = await done(house, "GET", "/subscriptions")
    named = next(one["plan_name"] for one in listed["rows"] if one["price"] not in (None, "0"))

    seated = await done(house, "PUT", f"/subscriptions/{named}", json={"seats": 40, "billing_period": "month", "price": None})
    added = await done(house, "POST", "/subscriptions", json={"plan_name": "Own plan", "price": "12.50", "seats": 3})
    file = await call(house, "GET", "/subscriptions?format=csv&origin=own")
    ended = await done(house, "DELETE", "/subscriptions/Own plan")
    nothing = await call(house, "PUT", f"/subscriptions/{named}", json={"effective_from": "2027-01-01"})

    assert [(one["seats"], one["price"]) for one in seated["opened"] if one["origin"] == "own"] == [(40, None)]
    assert [(one["plan_name"], one["price"], one["billing_period"], one["unit"]) for one in added["opened"]] == [
        ("Own plan", "12.50", "month", "seat")
    ]
    assert file.text.count("\n") == 3
    assert [one["closed_because"] for one in ended["closed"]] == ["deleted"]
    assert "nothing is to be another" in problem(nothing, 422, "rejected")["detail"]


async def test_a_setup_makes_both_books_and_a_second_one_leaves_what_is_own(tmp_path: Path):
    async with served(tmp_path, date(2026, 11, 21)) as acme:
        await acme.connect("openai", "openai-demo.txt")
        own = await acme.ask("PUT", "integrations/{org}/openai/subscriptions/ChatGPT Plus", {"price": "15"})
        await acme.connect("openai", "openai-demo.txt")

        models = await acme.found("integrations/{org}/openai/pricing", model="gpt-4.1")
        plans = await acme.found("integrations/{org}/openai/subscriptions", plan_name="ChatGPT Plus", at="2026-12-01")
    assert own.status_code == 200
    assert {one["origin"] for one in models["rows"]} == {"seed"}
    assert [(one["price"], one["origin"]) for one in plans["rows"]] == [("15", "own")]


def test_openai_has_no_code_of_its_own():
    shims = [Path(str(module.__file__)).read_text().splitlines() for module in (openai_data, openai_data_models)]

    assert openai_data.router is llm_data.router
    assert openai_data_models.OpenAIPricingCreate is PriceRequest
    assert all(len(lines) <= 15 for lines in shims)


async def test_who_has_no_book_is_told_so(house: House):
    async with house.client() as caller:
        cloud = await caller.get(f"/api/v1/integrations/{SLUG}/gcp/pricing")
        nobody = await caller.get(f"/api/v1/integrations/{SLUG}/openia/pricing")
        org = await caller.get("/api/v1/integrations/other_org/openai/pricing")
        filtered = await caller.get(f"{AT}/pricing?modle=x")

    assert "gcp has no price book in this release" in problem(cloud, 404, "missing")["detail"]
    assert "openai" in problem(nobody, 404, "missing")["detail"]
    assert "there is no organisation 'other_org'" in problem(org, 404, "missing")["detail"]
    assert "did you mean" in problem(filtered, 422, "rejected")["detail"].lower()


async def test_two_hundred_callers_at_once_are_all_answered_and_each_name_has_one_price(house: House):
    await done(house, "POST", "/subscriptions/reset")
    answers: list[httpx2.Response] = []

    async def add(number: int) -> None:
        body = {"plan_name": f"Plan {number % 50}", "price": str(number + 1)}
        answers.append(await call(house, "POST", "/subscriptions", json=body))

    async with anyio.create_task_group() as group:
        for number in range(CALLERS):
            group.start_soon(add, number)

    own = await done(house, "GET", "/subscriptions?origin=own&limit=5000")
    assert sorted(answer.status_code for answer in answers) == [200] * 50 + [409] * 150
    assert len({one["plan_name"] for one in own["rows"]}) == len(own["rows"]) == 50


async def test_a_file_cut_at_a_limit_names_the_next_and_history_is_no_file(house: House):
    await laid(house)
    whole = (await call(house, "GET", "/pricing?format=csv")).text.splitlines()
    seen, path = [], f"{AT}/pricing?format=csv&limit=700"
    while path:
        async with house.client() as caller:
            answer = await caller.get(path)
        seen += answer.text.splitlines()[1:]
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert seen == whole[1:]
    refused = problem(await call(house, "GET", "/pricing?format=csv&history=true"), 422, "rejected")
    assert "as JSON" in refused["detail"]


async def test_pages_are_of_one_book_whatever_is_published_meanwhile(house: House):
    await laid(house)
    page = await done(house, "GET", "/pricing?limit=3")
    # of the last change, and not of the clock: one that is being published has a moment that is over
    assert (await done(house, "GET", "/pricing?limit=3"))["as_of"] == page["as_of"]
    later = await done(house, "PUT", "/pricing/gpt-5.4", json={"price": "3", "token_kind": "input", "service_tier": "standard"})
    assert later["at"] > page["as_of"]
    again = await done(house, "GET", f"/pricing?limit=5000&cursor={page['next_cursor']}")
    assert not [row for row in again["rows"] if row["origin"] == "own"]


async def test_pages_of_a_moment_to_come_are_of_the_book_as_it_is(house: House):
    await laid(house)
    path = "/pricing?as_of=2030-01-01&origin=seed&limit=3"
    page = await done(house, "GET", path)
    await done(house, "DELETE", "/pricing/gpt-5.4")
    rest = await done(house, "GET", f"{path}&cursor={page['next_cursor']}".replace("limit=3", "limit=5000"))
    assert [row for row in rest["rows"] if row["model"] == "gpt-5.4"]


async def test_a_number_that_json_cannot_keep_is_asked_for_as_a_text(house: House):
    await laid(house)
    told = {"model": "ours", "token_kind": "input"}
    answer = await call(
        house,
        "POST",
        "/pricing",
        content=json.dumps(told)[:-1] + ', "price": 1234567.123456789012345}',
        headers={"Content-Type": "application/json"},
    )
    assert "as a text" in problem(answer, 422, "rejected")["detail"]
    assert (await done(house, "POST", "/pricing", json={**told, "price": "1234567.123456789012345"}))["opened"][0][
        "price"
    ] == "1234567.123456789012345"


async def test_unknown_fields_of_a_rate_are_counted_and_likened(house: House):
    await laid(house)
    body = {"model": "ours", "token_kind": "input", "prise": 1, **{f"field_{number}": 1 for number in range(30_000)}}
    for sent in (body, [body]):
        told = problem(await call(house, "POST", "/pricing", json=sent), 422, "rejected")
        assert (len(told["errors"]), told["errors_left_out"]) == (20, 29_982)
    one = problem(await call(house, "POST", "/pricing", json={"model": "ours", "token_kind": "input", "prise": 1}), 422, "rejected")
    assert "did you mean 'price'" in str(one["errors"])


async def test_a_change_says_what_it_does_to_told_costs_and_what_makes_them_so(house: House):
    await laid(house)
    store = BookStore(house.parts, TENANT, seed_of(ROOT / "configs", "openai", PRICING))
    uses = [*(told_use(day, 2_000_000, "gpt-4.1-2025-04-14") for day in (30, 31)), told_use(31, 500_000, "nova-mini")]
    price_all(store, store.read(), uses)
    body = {"price": "1.5", "token_kind": "input", "service_tier": "standard", "prompt_tokens_over": 0, "effective_from": "2026-11-01"}

    would = await done(house, "PUT", "/pricing/gpt-4.1?dry_run=true", json=body)
    priced = await done(house, "POST", "/pricing?dry_run=true", json={"model": "nova-mini", "token_kind": "input", "price": "4"})
    does = await done(house, "PUT", "/pricing/gpt-4.1", json=body)
    back = await done(house, "POST", "/pricing/reset?dry_run=true")
    told = price_all(store, store.read(), uses)
    reset = await done(house, "POST", "/pricing/reset")

    path = f"/api/v1/pipelines/run/{SLUG}/openai/reprice"
    november = {"method": "POST", "path": path, "start_date": "2026-11-01", "end_date": "2026-11-01"}
    none = {"days_priced": 0, "rows_priced": 0, "days_unpriced": 0, "rows_unpriced": 0, "unpriced_reason": None}
    cheaper = {"cost_now": "4.00", "cost_then": "3.00", "difference": "-1.00"}
    of_model = {"usage_month": "202611", "model": "gpt-4.1", "currency": "USD", "days": 1, "rows": 1, **none}
    assert (would["costs_known"], would["costs"], would["costs_run"]) == (True, [{**of_model, **cheaper}], november)
    assert [(one["model"], one["difference"], one["days_priced"], one["rows_priced"]) for one in priced["costs"]] == [
        ("nova-mini", "2.00", 1, 1)
    ]
    assert {name: does[name] for name in would if name.startswith("costs")} == {
        name: would[name] for name in would if name.startswith("costs")
    }
    assert [str(row["cost"].normalize()) for row in told if row["usage_date"] == date(2026, 11, 1) and row["cost"]] == ["3"]
    # before the days are made anew the book is back where it was
    assert (back["costs"], back["costs_run"]) == ([], None)
    assert [(one["cost_now"], one["cost_then"], one["difference"]) for one in reset["costs"]] == [("3.00", "4.00", "1.00")]
    assert reset["costs_run"] == november


async def test_a_change_that_was_written_is_answered_though_its_costs_cannot_be_asked(house: House):
    await laid(house)
    # of an earlier release, or of somebody else: it has none of the columns that are asked for
    house.parts.warehouse.ensure_table(TENANT, TableSchema("openai_cost_daily", (Field("usage_date", "DATE"),)))
    body = {"price": "1", "token_kind": "input"}

    would = await call(house, "PUT", "/pricing/gpt-4.1?dry_run=true", json=body)
    does = await done(house, "PUT", "/pricing/gpt-4.1", json=body)
    reset = await done(house, "POST", "/pricing/reset")

    assert would.status_code >= 400
    assert (does["changed"], does["costs_known"], does["costs"], does["costs_run"]) == (True, False, [], None)
    assert does["costs_unknown_because"].startswith("the book is changed; what that does to costs could not be asked: ")
    assert (reset["changed"], reset["costs_known"]) == (True, False)


async def test_a_change_of_seats_says_what_it_does_to_told_months(house: House):
    await done(house, "POST", "/subscriptions/reset")
    plan = "/subscriptions/ChatGPT Business"
    body = {"billing_period": "month", "seats": 40, "effective_from": "2026-11-11"}
    before = await done(house, "PUT", f"{plan}?dry_run=true", json=body)

    async def told() -> list[tuple[str, Any]]:
        window = Window(date(2026, 11, 1), date(2026, 11, 21))
        (await house.parts.executor.run("openai/subscriptions", actor=Actor("org"), tenant=TENANT, window=window)).require()
        rows = house.parts.warehouse.query(TENANT, PLAN_COSTS).to_pylist()
        return [(row["completeness"], row["cost"]) for row in rows]

    unseated = await told()
    would = await done(house, "PUT", f"{plan}?dry_run=true", json=body)
    does = await done(house, "PUT", plan, json=body)
    seated = await told()
    again = await done(house, "PUT", plan, json={**body, "seats": 20})

    assert (before["costs_known"], before["costs"]) == (False, [])
    assert before["costs_unknown_because"].startswith("nothing is told of what the plans come to; a run of openai/subscriptions")
    assert unseated == [("unpriced", None)]
    assert [value for value in seated if value[1]] == [("provisional", Decimal("666.666666666666666667"))]
    (effect,) = would["costs"]
    assert effect == {
        "usage_month": "202611", "plan_name": "ChatGPT Business", "billing_period": "month", "currency": "USD", "days": 20, "rows": 1,
        "cost_now": "0.00", "cost_then": "666.666666666666666667", "difference": "666.666666666666666667", "days_priced": 20,
        "rows_priced": 1, "days_unpriced": 0, "rows_unpriced": 0, "unpriced_reason": None,
    }  # fmt: skip
    assert does["costs"] == would["costs"]
    assert would["costs_run"]["path"] == f"/api/v1/pipelines/run/{SLUG}/openai/subscriptions"
    assert (would["costs_run"]["start_date"], would["costs_run"]["end_date"]) == ("2026-11-01", "2026-11-21")
    assert [(one["cost_now"], one["cost_then"]) for one in again["costs"]] == [("666.666666666666666667", "333.333333333333333333")]
