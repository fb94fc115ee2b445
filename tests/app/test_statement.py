"""A month's statement, its bridge and its invoices over the API."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.base.names import OrgSlug
from src.core.costs.comparison import month_window
from tests.app.running_parts import House
from tests.core.costs.bills import cost, manifest, mark, prepare, publish
from tests.core.costs.test_summary import change, month

AT = "/api/v1/costs/acme_corp"
FIRST = date(2026, 10, 1)
DAYS = [date(2026, 9, 1) + timedelta(days=number) for number in range(61)]
READ = datetime(2026, 11, 12, 6, tzinfo=UTC)


@pytest.fixture
def billed(house: House) -> House:
    """September and October are whole: a dollar a day, and in October tax and late use besides."""
    warehouse, tenant = house.parts.warehouse, Tenant(OrgSlug("acme_corp"), house.parts.settings.environment)
    prepare(warehouse, tenant)
    exact = [cost(day, service="Compute", project_id="p", cost_type="regular") for day in DAYS]
    exact.append(cost(date(2026, 10, 31), "5.89", service="Tax", cost_type="tax"))
    exact.append(cost(date(2026, 9, 29), "2", service="Compute", project_id="p", cost_type="regular", invoice_month="202610"))
    cause = {"cause": "correction", "net": "1", "first_load_day": "2026-11-03", "last_load_day": "2026-11-03"}
    publish(
        warehouse,
        tenant,
        gcp_cost_daily=exact,
        x_cost_daily=[mark(day) for day in DAYS],
        x_cost_monthly=[{**month("202610", net="38.89"), "completeness": "complete"}],
        x_cost_history=[{**change("2026-10-30", 1), "causes": [cause]}],
        x_load_manifests=[manifest(READ)],
    )
    return house


async def put(house: House, **told: Any) -> Any:
    async with house.client() as caller:
        return await caller.put(f"{AT}/invoices/gcp/2026-10", json=told)


async def test_the_month_that_runs_is_compared_with_the_same_days_and_told_as_not_over(billed: House) -> None:
    today = billed.parts.clock.now().date()
    warehouse, tenant = billed.parts.warehouse, Tenant(OrgSlug("acme_corp"), billed.parts.settings.environment)
    first = today.replace(day=1)
    over = [first + timedelta(days=number) for number in range((today - first).days)]
    months = month_window((first - timedelta(days=1)).replace(day=1))
    both = [*over, *(day for day in months if day not in DAYS)]
    publish(
        warehouse,
        tenant,
        gcp_cost_daily=[cost(day, "2" if day >= first else "1") for day in [*both, today]],
        x_cost_daily=[*(mark(day) for day in both), mark(today, "provisional")],
    )
    found = await billed.found(f"{AT}/statement?month={today:%Y-%m}")

    [total] = found["totals"]
    assert (found["from"], found["to"]) == (str(first), str(over[-1]))
    assert found["previous"]["to"] == str(months.start.replace(day=over[-1].day))
    assert total["net_cost"] == f"{2 * len(over)}.00"
    assert (total["change"]["net_cost"], total["change"]["why_null"]) == (f"{len(over)}.00", None)
    # of the whole month it is said all the same that days lack
    assert found["trust"].startswith("Not yet: ")
    assert {one["usage_date"] for one in found["not_complete"]} == {str(day) for day in month_window(first) if day >= today}


async def test_rows_of_one_service_are_told_and_the_trust_says_that_it_speaks_of_the_whole(billed: House) -> None:
    whole = await billed.found(f"{AT}/statement?month=2026-10")
    tax = await billed.found(f"{AT}/statement?month=2026-10&service=Tax&group_by=service")
    mine = await billed.found(f"{AT}/statement?month=2026-10&service=Compute&project=p")

    assert [row["service"] for row in tax["rows"]] == ["Tax"]
    assert (tax["totals"][0]["net_cost"], mine["totals"][0]["net_cost"]) == ("5.89", "31.00")
    assert tax["bridge"] == mine["bridge"] == whole["bridge"]
    assert tax["verification"] == whole["verification"]
    said = "This is said of all costs of the month, and so are bridge, restatements and verified share"
    assert mine["trust"] == f"{whole['trust']} {said}: rows and totals are of service 'Compute' and project 'p' alone."


async def test_a_month_is_told_in_one_call(billed: House) -> None:
    found = await billed.found(f"{AT}/statement?month=2026-10&group_by=service,project")

    assert (found["month"], found["from"], found["to"], found["previous"]["to"]) == ("2026-10", "2026-10-01", "2026-10-31", "2026-09-30")
    [total] = found["totals"]
    assert (total["net_cost"], total["previous"]["net_cost"], total["change"]["net_cost"]) == ("36.89", "32.00", "4.89")
    assert [(row["service"], row["project"], row["net_cost"]) for row in found["rows"]] == [
        ("Compute", "p", "31.00"),
        ("Tax", None, "5.89"),
    ]
    [bridge] = found["bridge"]
    assert (bridge["days"], bridge["invoice"], bridge["closed"]) == ("36.89", "38.89", True)
    assert [(part["part"], part["net_cost"]) for part in bridge["parts"]] == [("late_use", "2.00")]
    assert (found["closed"], found["verified"], found["not_complete"]) == (True, False, [])
    [verification] = found["verification"]
    assert (verification["share"], verification["since"]) == (None, None)
    assert "PUT /api/v1/costs/acme_corp/invoices/gcp/2026-10 takes the paper invoice's, in USD" in verification["why"]
    assert found["trust"] == (
        "As far as its providers' own exports go: every day of October 2026 is complete; it is closed: its days and the bridge come to "
        "its invoices as exported; nothing of it is verified, for there is no figure to hold it against."
    )
    assert [one["sentence"] for one in found["restatements"]] == [
        "30 October 2026: 1.00 USD became 2.00 USD (+1.00) on 5 November: Google Cloud corrected it on 3 November."
    ]


async def test_an_invoice_that_says_the_same_verifies_the_month_and_another_says_how_much(billed: House) -> None:
    same = (await put(billed, amount="38.89", tax="5.89", currency="usd", number="5012")).json()
    other = (await put(billed, amount="40.89", tax="6.89", currency="USD", number="5012")).json()
    again = (await put(billed, amount="40.89", tax="6.89", currency="USD", number="5012")).json()
    statement = await billed.found(f"{AT}/statement?month=2026-10")

    [verified] = same["verification"]
    assert (verified["verified"], verified["share"], verified["checks"][0]["against"]) == (True, "1.00", "invoice")
    assert verified["since"] == same["invoices"][0]["recorded_at"]
    [differs] = other["verification"]
    assert (differs["verified"], differs["share"]) == (False, "0.951088")
    assert differs["why"] == ("invoice 5012 says 40.89 USD, and what is told here is 2.00 less; its tax is 6.89 there and 5.89 here")
    assert [(one["version"], one["amount"]) for one in other["history"]] == [(1, "38.89"), (2, "40.89")]
    assert again["history"] == other["history"]
    assert "verified against a figure from elsewhere: 95.10 % of 40.89 USD" in statement["trust"]


async def test_an_invoice_may_be_taken_back_and_every_change_is_audited(billed: House) -> None:
    await put(billed, amount="38.89", tax="5.89", currency="USD")
    assert (await billed.found(f"{AT}/statement?month=2026-10"))["trust"].startswith("Yes: every day of October 2026 is complete; ")
    back = (await put(billed, amount=None, currency="USD", tax=None, number=None)).json()

    assert (back["invoices"], [one["amount"] for one in back["history"]]) == ([], ["38.89", None])
    assert back["verification"][0]["share"] is None
    rows = (await billed.found("/api/v1/organizations/acme_corp/audit?action=costs.invoice"))["entries"]
    assert [(row["resource"], row["details"]["before"], row["details"]["after"]) for row in rows] == [
        ("costs/acme_corp/invoices/gcp/2026-10", {"amount": "38.89", "tax": "5.89", "number": None}, None),
        ("costs/acme_corp/invoices/gcp/2026-10", None, {"amount": "38.89", "tax": "5.89", "number": None}),
    ]


@pytest.mark.parametrize(
    ("path", "told", "status", "said"),
    [
        ("gcp/2026-10", {"amount": 38.89, "currency": "USD"}, 422, "not an exact number"),
        ("gcp/2026-10", {"amount": "1", "tax": "2", "currency": "USD"}, 422, "is more than the amount"),
        ("gcp/2026-10", {"amount": "1_000", "currency": "USD"}, 422, "is no plain number"),
        ("gcp/2026-10", {"amount": "1", "number": "50\x0012", "currency": "USD"}, 422, "characters that no paper has"),
        ("gcp/0000-01", {"amount": "1", "currency": "USD"}, 422, "is no month that costs are kept for"),
        ("gcp/2026-13", {"amount": "1", "currency": "USD"}, 422, "is no month"),
        ("gcp/2027-01", {"amount": "1", "currency": "USD"}, 422, "is no month that costs are kept for"),
        ("aws/2026-10", {"amount": "1", "currency": "USD"}, 422, "not served"),
        ("gpc/2026-10", {"amount": "1", "currency": "USD"}, 404, "did you mean 'gcp'"),
    ],
)
async def test_what_is_no_invoice_is_refused(house: House, path: str, told: dict[str, Any], status: int, said: str) -> None:
    async with house.client() as caller:
        answer = await caller.put(f"{AT}/invoices/{path}", json=told)

    assert (answer.status_code, said in answer.text) == (status, True)


async def test_the_statement_is_a_file_and_a_page(billed: House) -> None:
    async with billed.client() as caller:
        lines = await caller.get(f"{AT}/statement?month=2026-10&group_by=service&format=csv")
        page = await caller.get(f"{AT}/statement?month=2026-10&group_by=service", headers={"Accept": "text/html,*/*;q=0.8"})

    rows = list(csv.DictReader(io.StringIO(lines.text)))
    assert [row["kind"] for row in rows] == [
        "trust", "compared_with", "total", "row", "row", "bridge", "bridge", "bridge", "verified", "restatement",
    ]  # fmt: skip
    bridge = {row["part"]: Decimal(row["net_cost"]) for row in rows if row["kind"] == "bridge"}
    assert bridge["days"] + bridge["late_use"] == bridge["invoice"]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for said in ("October 2026", "Can it be trusted?", "36.89", "+4.89", "Google Cloud corrected it on 3 November"):
        assert said in page.text


async def test_a_name_that_is_markup_stays_text_on_the_page(billed: House) -> None:
    tenant = Tenant(OrgSlug("acme_corp"), billed.parts.settings.environment)
    publish(billed.parts.warehouse, tenant, gcp_cost_daily=[cost(FIRST, service="<script>alert(1)</script>")])
    async with billed.client() as caller:
        page = await caller.get(f"{AT}/statement?month=2026-10&group_by=service&format=html")

    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script" not in page.text


async def test_of_a_month_that_was_never_loaded_nothing_is_said(billed: House) -> None:
    found = await billed.found(f"{AT}/statement?month=2026-08")

    assert (found["closed"], found["verified"], found["totals"], found["bridge"]) == (False, False, [], [])
    assert found["trust"] == "Nothing is known of August 2026: no costs of it were loaded."
    assert len(found["not_complete"]) == 31


async def test_a_month_of_which_a_provider_told_nothing_is_neither_closed_nor_verified(billed: House) -> None:
    tenant = Tenant(OrgSlug("acme_corp"), billed.parts.settings.environment)
    publish(billed.parts.warehouse, tenant, x_cost_daily=[mark(DAYS[0], provider="openai")], x_load_manifests=[manifest(READ, "openai")])
    await put(billed, amount="38.89", tax="5.89", currency="USD")
    both = await billed.found(f"{AT}/statement?month=2026-10")
    one = await billed.found(f"{AT}/statement?month=2026-10&provider=gcp")

    assert (both["closed"], both["verified"], one["closed"], one["verified"]) == (False, False, True, True)
    assert "it is not closed (OpenAI: some of its days lack, and no costs of them were loaded)" in both["trust"]


async def test_a_paper_of_nothing_is_held_against_what_is_told(billed: House) -> None:
    tenant = Tenant(OrgSlug("acme_corp"), billed.parts.settings.environment)
    nothing = {**month("202610", net="0"), "currency": "EUR", "completeness": "complete"}
    publish(billed.parts.warehouse, tenant, x_cost_monthly=[nothing])
    differs = (await put(billed, amount="0", currency="USD")).json()["verification"]
    same = (await put(billed, amount="0", currency="EUR")).json()["verification"]

    assert [(one["currency"], one["verified"], one["share"]) for one in differs] == [("EUR", False, None), ("USD", False, "0.00")]
    assert [(one["currency"], one["verified"], one["share"]) for one in same] == [("EUR", True, "1.00"), ("USD", False, "0.00")]
