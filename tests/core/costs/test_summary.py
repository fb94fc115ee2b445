import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.core.base.window import Window
from src.core.costs.amounts import AmountChange, Amounts
from src.core.costs.question import CostQuestion, Filters
from src.core.costs.restatements import restatement
from src.core.costs.summary import CHANGES_SHOWN, read_summary
from src.core.engine.port import Fence
from tests.core.costs.bills import PUBLISHED, cost, mark, marks, publish, reader

START, END = date(2026, 10, 30), date(2026, 11, 2)
WINDOW = Window(START, END)
BEFORE = date(2026, 10, 26)

digits = st.decimals(-(10**15), 10**15, places=9, allow_nan=False)
bill_rows = st.lists(
    st.builds(
        cost,
        st.dates(BEFORE - timedelta(days=1), END + timedelta(days=1)),
        digits.map(str),
        currency=st.sampled_from(["USD", "EUR", "JPY"]),
        service=st.sampled_from([None, "", "a", "b"]),
        region=st.sampled_from([None, "x", "y"]),
    ),
    max_size=20,
)


def month(invoice_month, currency="USD", net="10", provider="gcp"):
    return {
        "provider": provider,
        "invoice_month": invoice_month,
        "currency": currency,
        "billed_cost": Decimal(net),
        "credits": Decimal(0),
        "net_cost": Decimal(net),
        "row_count": 3,
        "pipeline_logging_id": "run",
        "published_at": PUBLISHED,
    }


def change(period, hour, net_before="1", net_after="2"):
    return {
        "provider": "gcp",
        "grain": "day" if "-" in period else "invoice_month",
        "period": period,
        "currency": "USD",
        "net_before": net_before,
        "net_after": net_after,
        "said_since": datetime(2026, 11, 1, tzinfo=UTC),
        "changed_at": datetime(2026, 11, 5, tzinfo=UTC) + timedelta(hours=hour),
        "reason": "3 rows came late",
        "pipeline_logging_id": "run",
    }


def recomputed(rows):
    sums: dict[tuple[object, ...], list[Decimal | None]] = defaultdict(lambda: [None, None])
    for row in rows:
        if BEFORE <= row["usage_date"] <= END:
            side = 1 if row["usage_date"] >= START else 0
            one = sums[row["service"], row["region"], row["currency"]]
            one[side] = (one[side] or Decimal(0)) + row["net_cost"]
    return sums


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=bill_rows)
def test_sums_equal_a_recomputation_by_hand_and_currencies_stay_apart(warehouse, acme, rows):
    with warehouse.publication(acme, "run", Fence("tests", warehouse.last_generation(acme, "tests") + 1)) as publication:
        publication.replace("gcp_cost_daily", rows)

    found = read_summary(reader(warehouse, acme), CostQuestion(WINDOW, groups=("service", "region")), 1000)

    expected = recomputed(rows)
    sums = {(one.keys["service"], one.keys["region"], one.currency): [one.before.net_cost, one.now.net_cost] for one in found.groups}
    assert sums == expected
    for total in found.totals:
        mine = [pair for (_, _, currency), pair in expected.items() if currency == total.currency]
        assert total.before.net_cost == (sum(pair[0] or 0 for pair in mine) if any(pair[0] is not None for pair in mine) else None)
        assert total.now.net_cost == (sum(pair[1] or 0 for pair in mine) if any(pair[1] is not None for pair in mine) else None)
    assert {total.currency for total in found.totals} == {currency for _, _, currency in expected}


def test_the_dearest_groups_of_each_currency_are_shown_and_the_rest_counted(warehouse, acme):
    rows = [cost(START, str(number), service=f"s{number}", currency=currency) for number in range(5) for currency in ("USD", "EUR")]
    publish(warehouse, acme, gcp_cost_daily=rows)

    found = read_summary(reader(warehouse, acme), CostQuestion(WINDOW, groups=("service",)), 2)

    assert [(one.currency, one.keys["service"]) for one in found.groups] == [("EUR", "s4"), ("EUR", "s3"), ("USD", "s4"), ("USD", "s3")]
    assert found.groups_left_off == 6
    assert [total.now.net_cost for total in found.totals] == [Decimal(10), Decimal(10)]


def test_control_totals_are_of_the_invoices_that_the_range_touches(warehouse, acme):
    publish(warehouse, acme, x_cost_monthly=[month("202609"), month("202610"), month("202611", "EUR"), month("202611"), month("202612")])
    asked = reader(warehouse, acme)

    found = read_summary(asked, CostQuestion(WINDOW), 10)
    euros = read_summary(asked, CostQuestion(WINDOW, Filters(currency="EUR")), 10)

    assert [(one.invoice_month, one.currency) for one in found.invoices] == [("202610", "USD"), ("202611", "EUR"), ("202611", "USD")]
    assert [(one.invoice_month, one.currency) for one in euros.invoices] == [("202611", "EUR")]


def test_restatements_of_the_range_come_newest_first_as_sentences(warehouse, acme):
    rows = [
        change("2026-10-29", 9),
        change("2026-10-30", 1, "1", "2.5"),
        change("202611", 3, None, "7"),
        change("2026-11-02", 2, "1", None),
        change("202612", 9),
        change("2026-11-03", 9),
    ]
    publish(warehouse, acme, x_cost_history=rows)

    found = read_summary(reader(warehouse, acme), CostQuestion(WINDOW), 10)

    assert [one.sentence for one in found.restatements] == [
        "Invoice of November 2026: nothing became 7.00 USD on 5 November: Google Cloud, 3 rows came late.",
        "2 November 2026: 1.00 USD is gone since 5 November: Google Cloud, 3 rows came late.",
        "30 October 2026: 1.00 USD became 2.50 USD (+1.50) on 5 November: Google Cloud, 3 rows came late.",
    ]
    assert found.restatements_left_off == 0


@pytest.mark.parametrize(
    ("causes", "reason", "said"),
    [
        ([("correction", "1", "15", "15")], "correction +1 (load day 2026-11-15)", "Google Cloud corrected it on 15 November."),
        (
            [("correction", "3", "15", "15"), ("late rows", "-2", "9", "11")],
            "correction +3 (load day 2026-11-15); late rows -2 (load days 2026-11-09 to 2026-11-11)",
            "Google Cloud corrected it on 15 November (+3.00) and wrote rows of it late, on 9 November to 11 November (-2.00).",
        ),
        (
            [("tax", "0.5", "15", "15")],
            "tax +0.5 (load day 2026-11-15); +0.5 as the source tells it now",
            "Google Cloud charged tax on 15 November (+0.50); +0.50 as the source tells it now.",
        ),
        ([], "+1 as the price book tells it now", "Google Cloud, as the price book tells it now."),
        ([("other", "1", "15", "15")], "other +1 (load day 2026-11-15)", "Google Cloud told of other on 15 November."),
    ],
)
def test_a_restatement_says_who_did_what_on_which_day(causes, reason, said):
    names = ("cause", "net", "first_load_day", "last_load_day")
    told = [
        dict(zip(names, (kind, net, f"2026-11-{int(first):02}", f"2026-11-{last.zfill(2)}"), strict=True))
        for kind, net, first, last in causes
    ]
    row = {**dict.fromkeys(("billed_before", "billed_after")), **change("2026-10-30", 1, Decimal(1), Decimal(2))}

    found = restatement({**row, "reason": reason, "causes": json.dumps(told)}, {"gcp": "Google Cloud"})

    assert found.sentence == f"30 October 2026: 1.00 USD became 2.00 USD (+1.00) on 5 November: {said}"


def test_causes_are_read_from_the_history(warehouse, acme):
    cause = {"cause": "correction", "net": "-6.2446571", "first_load_day": "2026-11-15", "last_load_day": "2026-11-15"}
    publish(warehouse, acme, x_cost_history=[{**change("2026-10-30", 1, "160.714205528", "154.469548428"), "causes": [cause]}])

    [found] = read_summary(reader(warehouse, acme), CostQuestion(WINDOW), 10).restatements

    assert found.sentence == (
        "30 October 2026: 160.71 USD became 154.47 USD (-6.24) on 5 November: Google Cloud corrected it on 15 November."
    )


def test_a_change_that_cents_do_not_show_is_told_with_its_digits(warehouse, acme):
    publish(warehouse, acme, x_cost_history=[change("2026-10-30", 1, "1.001", "1.002")])

    [found] = read_summary(reader(warehouse, acme), CostQuestion(WINDOW), 10).restatements

    assert "1.001 USD became 1.002 USD (+0.001)" in found.sentence


def test_a_range_over_a_years_end_has_no_restatements_of_other_periods(warehouse, acme):
    others = [change(period, 1) for period in ("202501", "202511", "202602", "2025-12-29", "2026-01-03")]
    publish(warehouse, acme, x_cost_history=[*others, change("2026-01-01", 3), change("202512", 2), change("202601", 1)])

    found = read_summary(reader(warehouse, acme), CostQuestion(Window(date(2025, 12, 30), date(2026, 1, 2))), 10)

    assert [one.period for one in found.restatements] == ["2026-01-01", "202512", "202601"]


def test_restatements_beyond_the_newest_are_counted(warehouse, acme):
    publish(warehouse, acme, x_cost_history=[change("2026-10-30", hour) for hour in range(CHANGES_SHOWN + 5)])

    found = read_summary(reader(warehouse, acme), CostQuestion(WINDOW), 10)

    assert len(found.restatements) == CHANGES_SHOWN
    assert found.restatements_left_off == 5
    assert found.restatements[0].changed_at == datetime(2026, 11, 5, tzinfo=UTC) + timedelta(hours=CHANGES_SHOWN + 4)


def test_both_ranges_say_how_complete_they_are(warehouse, acme):
    publish(warehouse, acme, x_cost_daily=marks([BEFORE, START, END]))

    found = read_summary(reader(warehouse, acme), CostQuestion(WINDOW), 10)

    assert (found.completeness["complete"], found.completeness["missing"]) == (2, 2)
    assert (found.completeness_before["complete"], found.completeness_before["missing"]) == (1, 3)


OCTOBER, SEPTEMBER = Window(date(2026, 10, 1), date(2026, 10, 31)), Window(date(2026, 9, 1), date(2026, 9, 30))


def test_a_whole_month_is_compared_with_the_whole_month_before(warehouse, acme):
    # a dollar a day: October beside 31 days up to 30 September would say that nothing changed
    days = [date(2026, 8, 31), *SEPTEMBER, *OCTOBER]
    publish(warehouse, acme, gcp_cost_daily=[cost(day) for day in days], x_cost_daily=marks(days))

    by_month = read_summary(reader(warehouse, acme), CostQuestion(OCTOBER), 10)
    by_range = read_summary(reader(warehouse, acme), CostQuestion(OCTOBER, compare="previous_range"), 10)
    by_year = read_summary(reader(warehouse, acme), CostQuestion(OCTOBER, compare="year_before"), 10)

    assert by_month.comparison.window == SEPTEMBER
    assert by_month.comparison.sentence == "the whole month before, 2026-09-01 to 2026-09-30 (30 days)"
    assert (by_month.totals[0].before.net_cost, by_month.totals[0].change.net_percent) == (Decimal(30), Decimal("3.33"))
    assert (by_range.totals[0].before.net_cost, by_range.totals[0].change.net_percent) == (Decimal(31), Decimal(0))
    assert (by_year.totals[0].before.net_cost, by_year.totals[0].change.net_cost) == (None, None)
    assert "31 of 31 days of 2025-10-01 to 2025-10-31 lack money" in str(by_year.totals[0].why_null)


def test_days_that_the_month_before_has_not_are_compared_with_nothing_and_named(warehouse, acme):
    march = Window(date(2026, 3, 29), date(2026, 3, 31))
    days = [date(2026, 2, 28), *march]
    publish(warehouse, acme, gcp_cost_daily=[cost(day) for day in days], x_cost_daily=marks(days))

    found = read_summary(reader(warehouse, acme), CostQuestion(march, compare="previous_month"), 10)

    [total] = found.totals
    assert (total.now.net_cost, total.before.net_cost, total.change.net_cost) == (Decimal(3), None, None)
    assert total.why_null == "2026-03-29 to 2026-03-31 have no counterpart, for February 2026 has 28 days"
    assert set(found.completeness_before.values()) == {0}


def test_days_that_lack_on_either_side_are_treated_alike(warehouse, acme):
    before = [BEFORE + timedelta(days=number) for number in range(len(WINDOW))]
    publish(warehouse, acme, gcp_cost_daily=[cost(BEFORE, "2"), cost(START, "3")], x_cost_daily=marks([*before[:-1], *WINDOW]))
    [lacking] = read_summary(reader(warehouse, acme), CostQuestion(WINDOW), 10).totals
    publish(warehouse, acme, x_cost_daily=marks(before[-1:]))
    [whole] = read_summary(reader(warehouse, acme), CostQuestion(WINDOW), 10).totals
    publish(warehouse, acme, x_cost_daily=[mark(END, "partial", currency="EUR")])
    [partial] = read_summary(reader(warehouse, acme), CostQuestion(WINDOW), 10).totals

    assert (lacking.change.net_cost, whole.change.net_cost, partial.change.net_cost) == (None, Decimal(1), None)
    assert lacking.why_null == (
        "1 of 4 days of 2026-10-26 to 2026-10-29 lack money, the first 2026-10-29 (gcp: nothing was loaded for this day)"
    )
    assert whole.why_null is None
    assert "1 of 4 days of 2026-10-30 to 2026-11-02 lack money, the first 2026-11-02" in str(partial.why_null)


def test_a_provider_that_came_later_is_no_growth_of_the_whole_and_keeps_no_other_from_being_compared(warehouse, acme):
    before = [BEFORE + timedelta(days=number) for number in range(len(WINDOW))]
    publish(
        warehouse,
        acme,
        gcp_cost_daily=[cost(BEFORE, "2"), cost(START, "3")],
        x_cost_daily=[*marks([*before, *WINDOW]), *(mark(day, provider="openai") for day in WINDOW)],
    )

    asked = reader(warehouse, acme)
    [total] = read_summary(asked, CostQuestion(WINDOW), 10).totals
    [own] = read_summary(asked, CostQuestion(WINDOW, groups=("provider",)), 10).groups

    assert (total.change.net_cost, own.change.net_cost) == (None, Decimal(1))
    assert "the first 2026-10-26 (openai: nobody has asked for this day; " in str(total.why_null)


def test_a_month_to_date_says_up_to_which_day_it_may_be_compared(warehouse, acme):
    days = [date(2026, 10, 1) + timedelta(days=number) for number in range(51)]
    publish(warehouse, acme, gcp_cost_daily=[cost(day) for day in days], x_cost_daily=marks(days))
    to_date = Window(date(2026, 11, 1), date(2026, 11, 21))

    [today] = read_summary(reader(warehouse, acme), CostQuestion(to_date), 10).totals
    [over] = read_summary(reader(warehouse, acme), CostQuestion(Window(to_date.start, date(2026, 11, 20))), 10).totals

    assert str(today.why_null).endswith("; ask up to 2026-11-20, the last day that is over")
    assert (over.before.net_cost, over.change.net_cost) == (Decimal(20), Decimal(0))


def test_before_anything_was_loaded_there_is_nothing_to_sum(warehouse, acme):
    found = read_summary(reader(warehouse, acme), CostQuestion(WINDOW), 10)

    assert (found.groups, found.totals, found.invoices, found.restatements) == ((), (), (), ())
    assert found.completeness["missing"] == len(WINDOW)


def test_a_change_is_exact_and_empty_where_a_side_is():
    large = Decimal("12345678901234567890123456789.123456789")

    assert AmountChange.between(Amounts(net_cost=large), Amounts(net_cost=large)).net_cost == 0
    assert AmountChange.between(Amounts(net_cost=Decimal("0.000000001")), Amounts(net_cost=large)).net_cost == Decimal(
        "12345678901234567890123456789.123456788"
    )
    assert AmountChange.between(Amounts(net_cost=Decimal(-4)), Amounts(net_cost=Decimal(-1))).net_percent == Decimal(75)
    assert AmountChange.between(Amounts(net_cost=Decimal(0)), Amounts(net_cost=Decimal(1))).net_percent is None
    assert AmountChange.between(Amounts(), Amounts(net_cost=Decimal(1))).net_cost is None
