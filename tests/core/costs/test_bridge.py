from datetime import date
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.core.costs.bridge import MonthFilter, read_bridges
from src.core.engine.port import Fence
from tests.core.costs.bills import cost, publish, reader
from tests.core.costs.test_summary import month

FIRST = date(2026, 10, 1)
OCTOBER, SEPTEMBER = "202610", "202609"


def bridges(warehouse, tenant, **wanted: str):
    return read_bridges(reader(warehouse, tenant), FIRST, MonthFilter(**wanted)).bridges


def exported(net, **more: object):
    return {**month(OCTOBER, net=net), "completeness": "complete", **more}


def test_days_and_parts_add_up_to_the_invoice(warehouse, acme):
    rows = [
        cost(date(2026, 10, 1), "3", cost_type="regular", invoice_month=SEPTEMBER),
        cost(date(2026, 10, 2), "100", cost_type="regular"),
        cost(date(2026, 10, 9), "5", cost_type="tax"),
        cost(date(2026, 10, 30), "7", cost_type="regular", invoice_month=None),
        cost(date(2026, 10, 31), "11", cost_type="regular", invoice_month="202611"),
        cost(date(2026, 11, 1), "2", cost_type="regular", invoice_month=OCTOBER),
        cost(date(2026, 9, 28), "13", cost_type="regular", invoice_month=OCTOBER),
        cost(date(2026, 9, 30), "-4", cost_type="adjustment", invoice_month=OCTOBER),
        cost(date(2026, 11, 3), "1", cost_type="tax", invoice_month=OCTOBER),
        cost(date(2026, 9, 1), "50", cost_type="regular"),
    ]
    publish(warehouse, acme, gcp_cost_daily=rows, x_cost_monthly=[exported("117")])

    [found] = bridges(warehouse, acme)

    assert (found.days, found.invoice, found.tax, found.closed) == (Decimal(126), Decimal(117), Decimal(6), True)
    assert {part.name: part.net_cost for part in found.parts} == {
        "day_cut_before": -3, "other_invoices": -11, "no_invoice_month": -7, "late_use": 13, "day_cut_after": 2, "taxes": 1,
        "corrections": -4,
    }  # fmt: skip
    assert found.days + sum(part.net_cost for part in found.parts) == found.invoice
    cut = next(part.sentence for part in found.parts if part.name == "day_cut_after")
    assert cut.endswith("; days here are UTC, and Google Cloud cuts its months in America/Los_Angeles")


days = st.dates(date(2026, 8, 20), date(2026, 11, 10))
lines = st.lists(
    st.builds(
        cost,
        days,
        st.decimals(-(10**6), 10**6, places=9, allow_nan=False).map(str),
        currency=st.sampled_from(["USD", "EUR"]),
        cost_type=st.sampled_from(["regular", "tax", "adjustment", "rounding_error", None]),
        invoice_month=st.sampled_from([None, SEPTEMBER, OCTOBER, "202611"]),
    ),
    max_size=20,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=lines)
def test_every_row_of_either_side_is_in_one_part(warehouse, acme, rows):
    invoices: dict[str, Decimal] = {}
    for row in rows:
        if row["invoice_month"] == OCTOBER:
            invoices[row["currency"]] = invoices.get(row["currency"], Decimal(0)) + row["net_cost"]
    with warehouse.publication(acme, "run", Fence("tests", warehouse.last_generation(acme, "tests") + 1)) as publication:
        publication.replace("gcp_cost_daily", rows)
        publication.replace("x_cost_monthly", [exported(str(net), currency=currency) for currency, net in invoices.items()])

    for found in bridges(warehouse, acme):
        mine = [row for row in rows if row["currency"] == found.currency]
        assert found.days == sum(row["net_cost"] for row in mine if f"{row['usage_date']:%Y%m}" == OCTOBER)
        if found.invoice is not None:
            assert "rounding" not in {part.name for part in found.parts}
            assert found.days + sum(part.net_cost for part in found.parts) == found.invoice
    assert {one.currency for one in bridges(warehouse, acme) if one.invoice is not None} == set(invoices)


def test_a_month_is_open_until_its_invoice_is_whole_and_adds_up(warehouse, acme):
    publish(
        warehouse,
        acme,
        gcp_cost_daily=[
            cost(FIRST, "10"),
            cost(FIRST, "1", currency="EUR"),
            cost(FIRST, "1", currency="JPY"),
            cost(FIRST, "2", currency="GBP"),
        ],
        x_cost_monthly=[
            exported("10.000000001"),
            exported("1", currency="EUR", completeness="provisional", completeness_reason="the invoice is closed on 10 November"),
            exported("3", currency="GBP"),
        ],
    )

    found = {one.currency: one for one in bridges(warehouse, acme)}

    assert found["USD"].closed
    assert [(part.name, part.net_cost) for part in found["USD"].parts] == [("rounding", Decimal("0.000000001"))]
    assert found["EUR"].why_open == "the invoice month is provisional: the invoice is closed on 10 November"
    assert found["JPY"].why_open == "no invoice of this month was exported"
    assert str(found["GBP"].why_open).startswith("days and parts lack 1.00 of the invoice month")
    assert [one.currency for one in bridges(warehouse, acme, currency="EUR")] == ["EUR"]
    assert bridges(warehouse, acme, provider="openai") == ()
