from datetime import date, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.core.base.faults import Rejected
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.window import EARLIEST, Window
from src.core.costs.amounts import money
from src.core.costs.comparison import Compare, compared, whole_months
from src.core.costs.cursor import PageEnd, cursor_of, place_of
from src.core.costs.question import LATEST, CostQuestion, Filters, groups_asked, window_asked

TODAY = date(2026, 11, 21)
ACME, OTHER = (Tenant(org_slug(name), Environment.DEVELOPMENT) for name in ("acme_corp", "other_corp"))


@pytest.mark.parametrize(
    ("first", "last", "start", "end"),
    [
        (None, None, date(2026, 11, 1), TODAY),
        (date(2026, 10, 5), None, date(2026, 10, 5), TODAY),
        (None, date(2026, 9, 9), date(2026, 9, 1), date(2026, 9, 9)),
        (date(2025, 11, 21), TODAY, date(2025, 11, 21), TODAY),
    ],
)
def test_what_is_left_out_is_the_month_so_far(first, last, start, end):
    assert window_asked(first, last, TODAY) == Window(start, end)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 12, 1), None),
        (date(2025, 11, 20), TODAY),
        (date(1, 1, 1), date(1, 1, 2)),
        (date(9999, 12, 30), date(9999, 12, 31)),
    ],
)
def test_windows_that_are_none_are_refused(first, last):
    with pytest.raises(Rejected):
        window_asked(first, last, TODAY)


def months(window: Window) -> int:
    return (window.end.year - window.start.year) * 12 + window.end.month - window.start.month


@settings(max_examples=5000)
@given(st.dates(EARLIEST, LATEST - timedelta(days=400)), st.integers(1, 366), st.sampled_from((None, *get_args(Compare))))
def test_what_a_window_is_compared_with_lies_before_it_and_is_as_long_or_the_same_days_of_as_many_months(start, days, asked):
    window = Window(start, start + timedelta(days=days - 1))
    found = compared(window, asked)
    before = found.window

    assert before.end < start
    assert found.by == (asked or found.by)
    if found.by == "previous_range":
        assert (before.end, len(before), found.why_null) == (start - timedelta(days=1), days, None)
    elif whole_months(window):
        assert whole_months(before)
        assert (months(before), found.why_null) == (months(window), None)
    elif found.why_null is None:
        assert (before.start.day, before.end.day, months(before)) == (window.start.day, window.end.day, months(window))
        # months between both ends are whole on either side, and differ in length by no more than that
        assert abs(len(before) - days) <= 3
        assert len(before) == days or months(window)
    else:
        # an edge that the earlier month has not, and nothing else
        assert window.start.day > 28 or window.end.day > 28
        assert found.empty or len(before) < days + 3


@pytest.mark.parametrize(
    ("days", "asked", "by", "before"),
    [
        ("2026-10-01 2026-10-31", None, "previous_month", "2026-09-01 2026-09-30"),
        ("2026-02-01 2026-02-28", None, "previous_month", "2026-01-01 2026-01-31"),
        ("2026-11-01 2026-11-20", None, "previous_month", "2026-10-01 2026-10-20"),
        ("2026-03-01 2026-03-30", None, "previous_month", "2026-02-01 2026-02-28"),
        ("2026-07-01 2026-09-30", None, "previous_month", "2026-04-01 2026-06-30"),
        ("2026-10-03 2026-10-09", None, "previous_range", "2026-09-26 2026-10-02"),
        ("2026-10-01 2026-10-31", "previous_range", "previous_range", "2026-08-31 2026-09-30"),
        ("2026-10-15 2026-11-14", "previous_month", "previous_month", "2026-09-15 2026-10-14"),
        ("2026-10-05 2026-10-12", "previous_month", "previous_month", "2026-09-05 2026-09-12"),
        # a part of itself is nothing to be compared with
        ("2026-10-01 2026-11-10", "previous_month", "previous_month", "2026-08-01 2026-09-10"),
        ("2026-01-15 2026-03-14", "previous_month", "previous_month", "2025-11-15 2026-01-14"),
        ("2026-03-01 2027-03-01", "year_before", "year_before", "2024-03-01 2025-03-01"),
        ("2028-02-01 2028-02-29", "year_before", "year_before", "2027-02-01 2027-02-28"),
        ("2027-02-01 2027-02-28", "year_before", "year_before", "2026-02-01 2026-02-28"),
        ("2029-02-01 2029-02-28", "year_before", "year_before", "2028-02-01 2028-02-29"),
        ("2026-10-03 2026-10-09", "year_before", "year_before", "2025-10-03 2025-10-09"),
    ],
)
def test_whole_months_are_compared_with_whole_months_and_days_with_the_same_days(days, asked, by, before):
    found = compared(Window(*(date.fromisoformat(day) for day in days.split())), asked)

    assert (found.by, f"{found.window.start} {found.window.end}") == (by, before)


@pytest.mark.parametrize(
    ("days", "asked", "said", "why"),
    [
        ("2026-10-01 2026-10-31", None, "the whole month before, 2026-09-01 to 2026-09-30 (30 days)", None),
        ("2026-07-01 2026-09-30", None, "the 3 whole months before, 2026-04-01 to 2026-06-30 (91 days)", None),
        ("2026-11-01 2026-11-20", None, "the same days of the month before, 2026-10-01 to 2026-10-20 (20 days)", None),
        ("2026-10-01 2026-11-10", "previous_month", "the same days 2 months before, 2026-08-01 to 2026-09-10 (41 days)", None),
        ("2026-10-03 2026-10-03", None, "the day right before, 2026-10-02 to 2026-10-02 (1 day)", None),
        ("2026-10-01 2026-10-31", "year_before", "the same month of the year before, 2025-10-01 to 2025-10-31 (31 days)", None),
        ("2026-07-01 2026-09-30", "year_before", "the same 3 months of the year before, 2025-07-01 to 2025-09-30 (92 days)", None),
        ("2026-10-03 2026-10-09", "year_before", "the same days of the year before, 2025-10-03 to 2025-10-09 (7 days)", None),
        (
            "2026-03-29 2026-03-31",
            "previous_month",
            "the same days of the month before, of which there are none",
            "2026-03-29 to 2026-03-31 have no counterpart, for February 2026 has 28 days",
        ),
        (
            "2028-02-29 2028-02-29",
            "year_before",
            "the same days of the year before, of which there are none",
            "2028-02-29 has no counterpart, for February 2027 has 28 days",
        ),
        (
            "2026-03-01 2026-03-30",
            None,
            "the same days of the month before, 2026-02-01 to 2026-02-28 (28 days)",
            "2026-03-29 to 2026-03-30 have no counterpart, for February 2026 has 28 days",
        ),
        (
            "2026-10-31 2026-11-14",
            "previous_month",
            "the same days of the month before, 2026-10-01 to 2026-10-14 (14 days)",
            "2026-10-31 has no counterpart, for September 2026 has 30 days",
        ),
    ],
)
def test_the_sentence_says_what_it_is_and_days_without_a_counterpart_are_named(days, asked, said, why):
    found = compared(Window(*(date.fromisoformat(day) for day in days.split())), asked)

    assert (found.sentence, found.why_null) == (said, why)


@pytest.mark.parametrize(
    ("given_", "groups"), [([], ()), (["service,provider"], ("service", "provider")), (["sku", "region"], ("sku", "region")), ([""], ())]
)
def test_groups_come_as_a_list_or_repeated_and_keep_their_order(given_, groups):
    assert groups_asked(given_) == groups


@pytest.mark.parametrize(
    ("given_", "said"), [(["servcie"], "did you mean 'service'"), (["sku,sku"], "twice"), (["sku,region", "account"], "at most 2")]
)
def test_other_groups_are_refused_with_what_to_do(given_, said):
    with pytest.raises(Rejected, match=said):
        groups_asked(given_)


@given(st.dates(), st.tuples(*[st.text()] * 3))
def test_a_cursor_comes_back_as_it_was(day, keys):
    assert place_of(cursor_of(PageEnd(day, keys), "mark"), "mark") == PageEnd(day, keys)


@given(st.text(max_size=200))
def test_anything_else_is_refused_as_a_cursor(text):
    with pytest.raises(Rejected):
        place_of(text, "mark")


@pytest.mark.parametrize(
    "other",
    [
        (OTHER, CostQuestion(Window(TODAY, TODAY))),
        (ACME, CostQuestion(Window(TODAY - timedelta(days=1), TODAY))),
        (ACME, CostQuestion(Window(TODAY, TODAY), Filters(service="Compute"))),
        (ACME, CostQuestion(Window(TODAY, TODAY), Filters(project="Compute"))),
        (ACME, CostQuestion(Window(TODAY, TODAY), groups=("sku",))),
    ],
)
def test_a_cursor_fits_its_own_question_only(other):
    tenant, question = other
    cursor = cursor_of(PageEnd(TODAY, ("0", "0", "")), CostQuestion(Window(TODAY, TODAY)).fingerprint(ACME))

    with pytest.raises(Rejected, match="another question"):
        place_of(cursor, question.fingerprint(tenant))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28))
def test_money_is_exact_and_plain(value):
    text = money(value)

    assert text is not None
    assert type(value)(text) == value
    assert "E" not in text
    assert len(text.partition(".")[2]) >= 2
