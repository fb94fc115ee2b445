from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from src.core.base.faults import Misconfigured
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.window import Window
from src.core.costs.daily import read_daily
from src.core.costs.question import GROUPS, CostQuestion, Filters
from src.core.costs.summary import read_summary
from src.core.engine.port import Fence
from tests.core.costs.bills import PUBLISHED, cost, mark, marks, publish, reader

FIRST = date(2026, 10, 30)
DAYS = [FIRST + timedelta(days=number) for number in range(6)]
WINDOW = Window(DAYS[0], DAYS[-1])
COLUMNS = {"project": "project_id", "account": "billing_account_id"}

texts = st.sampled_from([None, "", "a", "b", "é", "=x", "0", "1", "A", "~"])
amounts = st.decimals(-(10**9), 10**9, places=9, allow_nan=False)
bill_rows = st.lists(
    st.builds(
        cost,
        st.sampled_from([day + timedelta(days=shift) for day in DAYS[::2] for shift in (-3, 0)]),
        amounts.map(str),
        amounts.map(lambda value: str(-abs(value))),
        st.sampled_from(["USD", "EUR"]),
        service=texts,
        sku=texts,
        region=texts,
        project_id=texts,
        billing_account_id=texts,
        cost_type=texts,
    ),
    max_size=25,
)
questions = st.builds(
    lambda groups, service, project, currency: CostQuestion(WINDOW, Filters(None, service, project, currency), tuple(groups)),
    st.lists(st.sampled_from(GROUPS), unique=True, max_size=2),
    st.sampled_from([None, None, "a", ""]),
    st.sampled_from([None, None, "b"]),
    st.sampled_from([None, None, "EUR"]),
)


MOST_PAGES = 40  # more than there can be rows: 25 of a bill, and a day each without


def pages(asked, question, limit):
    cursor, found = None, []
    for _ in range(MOST_PAGES):
        page = read_daily(asked, question, limit, cursor)
        found.append(page)
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_every_row_stands_on_one_page_wherever_a_page_ends(warehouse, acme, limit):
    rows = [cost(day, service=service, currency=currency) for day in DAYS[:2] for service in (None, "", "a") for currency in ("EUR", "USD")]
    publish(warehouse, acme, gcp_cost_daily=rows)
    question = CostQuestion(WINDOW, groups=("service",))
    [whole] = pages(reader(warehouse, acme), question, 100)

    found = pages(reader(warehouse, acme), question, limit)

    assert [line for page in found for line in page.lines] == list(whole.lines)
    assert [len(page.lines) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert len(whole.lines) == len(rows) + len(DAYS) - 2


def recomputed(rows, question):
    """The same by hand, in Decimal."""
    sums: dict[tuple[object, ...], list[Any]] = defaultdict(lambda: [Decimal(0), Decimal(0), Decimal(0), 0])
    filters = question.filters
    for row in rows:
        wanted = ((filters.service, "service"), (filters.project, "project_id"), (filters.currency, "currency"))
        if row["usage_date"] not in DAYS or any(value is not None and row[name] != value for value, name in wanted):
            continue
        keys = tuple("gcp" if group == "provider" else row[COLUMNS.get(group, group)] for group in question.groups)
        one = sums[row["usage_date"], keys, row["currency"]]
        for place, name in enumerate(("cost", "credits", "net_cost", "row_count")):
            one[place] += row[name]
    return sums


# not shrunk: a cursor that goes in circles would be followed to the last page for minutes
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[phase for phase in Phase if phase not in (Phase.shrink, Phase.explain)],
)
@given(rows=bill_rows, question=questions, limit=st.integers(1, 7))
def test_answers_equal_a_recomputation_by_hand(warehouse, acme, rows, question, limit):
    with_rows = {row["usage_date"] for row in rows}
    with warehouse.publication(acme, "run", fence(warehouse, acme)) as publication:
        publication.replace("gcp_cost_daily", rows)
        publication.replace("x_cost_daily", marks([day for day in DAYS if day in with_rows]))

    found = pages(reader(warehouse, acme), question, limit)
    lines = [line for page in found for line in page.lines]
    expected = recomputed(rows, question)

    assert {
        (line.usage_date, tuple(line.keys.values()), line.currency): [
            line.amounts.billed_cost,
            line.amounts.credits,
            line.amounts.net_cost,
            line.amounts.row_count,
        ]
        for line in lines
        if line.currency
    } == expected
    assert {line.usage_date for line in lines} == set(DAYS)
    empty = [line for line in lines if line.currency is None]
    assert {line.usage_date for line in empty} == set(DAYS) - {day for day, _, _ in expected}
    assert len(lines) == len(expected) + len(empty)
    places = [
        (line.usage_date, tuple("0" if key is None else f"1{key}" for key in line.keys.values()), line.currency or "") for line in lines
    ]
    assert all(before < after for before, after in pairwise(places))
    for page in found:
        assert len(page.lines) <= limit
        assert page.totals == found[0].totals
    assert {total.currency: total.amounts.net_cost for total in found[0].totals} == summed(expected)
    assert all(line.standing.status == ("complete" if line.usage_date in with_rows else "missing") for line in lines)


def summed(expected):
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for (_, _, currency), (_, _, net, _) in expected.items():
        totals[currency] += net
    return totals


def fence(warehouse, tenant):
    return Fence("tests", warehouse.last_generation(tenant, "tests") + 1)


def test_before_anything_was_loaded_every_day_is_missing(warehouse):
    tenant = Tenant(org_slug("empty_corp"), Environment.DEVELOPMENT)
    warehouse.ensure_dataset(tenant)

    found = pages(reader(warehouse, tenant), CostQuestion(WINDOW, groups=("sku",)), 4)

    lines = [line for page in found for line in page.lines]
    assert [line.usage_date for line in lines] == DAYS
    assert {(line.standing.status, line.amounts.net_cost, line.amounts.row_count) for line in lines} == {("missing", None, None)}
    assert found[0].completeness["missing"] == len(DAYS)
    assert found[0].as_of is None
    assert found[0].totals == ()


def test_an_organisation_without_a_dataset_is_told_so(warehouse):
    with pytest.raises(Misconfigured, match="is lost"):
        read_daily(reader(warehouse, Tenant(org_slug("nobody"), Environment.DEVELOPMENT)), CostQuestion(WINDOW), 10)


def test_a_filter_that_leaves_a_day_empty_does_not_make_it_missing(warehouse, acme):
    publish(warehouse, acme, gcp_cost_daily=[cost(DAYS[0], service="Compute")], x_cost_daily=marks(DAYS[:1]))

    found = read_daily(reader(warehouse, acme), CostQuestion(Window.day(DAYS[0]), Filters(service="Storage")), 10)

    [line] = found.lines
    assert line.amounts.net_cost is None
    assert line.standing.status == "complete"
    assert found.completeness["complete"] == 1


def test_a_provider_that_fell_silent_is_seen_beside_one_that_did_not(warehouse, acme):
    publish(
        warehouse,
        acme,
        gcp_cost_daily=[cost(day) for day in DAYS[:3]],
        x_cost_daily=[*marks(DAYS[:3]), mark(DAYS[1], provider="aws")],
    )
    asked = reader(warehouse, acme)

    whole = read_daily(asked, CostQuestion(Window(DAYS[0], DAYS[2])), 10)
    apart = read_daily(asked, CostQuestion(Window(DAYS[0], DAYS[2]), groups=("provider",)), 10)
    only = read_daily(asked, CostQuestion(Window(DAYS[0], DAYS[2]), Filters(provider="aws")), 10)

    assert [line.standing.status for line in whole.lines] == ["partial", "complete", "partial"]
    assert [(line.usage_date, line.keys["provider"], line.standing.status) for line in apart.lines] == [
        (DAYS[0], "aws", "missing"),
        (DAYS[0], "gcp", "complete"),
        (DAYS[1], "aws", "complete"),
        (DAYS[1], "gcp", "complete"),
        (DAYS[2], "aws", "missing"),
        (DAYS[2], "gcp", "complete"),
    ]
    assert [line.standing.status for line in only.lines] == ["missing", "complete", "missing"]
    assert only.totals == ()


def test_an_amount_says_which_figure_it_is(warehouse, acme):
    """Of the days and providers that it is of; a row without the column is of a release in which all was billed."""
    told = {DAYS[0]: "reported", DAYS[1]: "computed", DAYS[2]: None}
    figures = [mark(day, billed_cost=Decimal(1), figure=figure) for day, figure in told.items()]
    publish(warehouse, acme, gcp_cost_daily=[cost(day, project_id="a") for day in told], x_cost_daily=figures)
    asked = reader(warehouse, acme)

    found = read_daily(asked, CostQuestion(Window(DAYS[0], DAYS[3]), groups=("invoice_month",)), 10)
    summed = read_summary(asked, CostQuestion(Window(DAYS[1], DAYS[2]), groups=("project",)), 10)
    one = read_summary(asked, CostQuestion(Window.day(DAYS[0])), 10)

    assert [line.figure for line in found.lines] == ["reported", "computed", "billed", None]
    assert [total.figure for total in found.totals] == ["mixed"]
    assert [(group.keys["project"], group.figure, group.now.net_cost) for group in summed.groups] == [("a", "mixed", Decimal(2))]
    assert [total.figure for total in (*summed.totals, *one.totals)] == ["mixed", "reported"]


def test_rows_that_no_run_has_recorded_are_provisional(warehouse, acme):
    publish(warehouse, acme, gcp_cost_daily=[cost(DAYS[0])])

    [line] = read_daily(reader(warehouse, acme), CostQuestion(Window.day(DAYS[0])), 10).lines

    assert line.amounts.net_cost == 1
    assert line.standing.status == "provisional"


def test_one_answer_never_mixes_two_publications(warehouse, acme):
    publish(warehouse, acme, gcp_cost_daily=[cost(DAYS[0], "1")], x_cost_daily=marks(DAYS[:1]))
    before = read_daily(reader(warehouse, acme), CostQuestion(WINDOW), 100)

    with warehouse.publication(acme, "run", fence(warehouse, acme)) as publication:
        publication.replace("gcp_cost_daily", [cost(DAYS[0], "5"), cost(DAYS[1], "6")])
        publication.replace("x_cost_daily", marks(DAYS[:2]))
        during = read_daily(reader(warehouse, acme), CostQuestion(WINDOW), 100)
    after = read_daily(reader(warehouse, acme), CostQuestion(WINDOW), 100)

    assert during == before
    assert [total.amounts.net_cost for total in after.totals] == [Decimal(11)]
    assert after.completeness["complete"] == 2
    assert after.as_of == PUBLISHED
