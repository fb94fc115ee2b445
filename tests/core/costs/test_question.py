from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.base.faults import Rejected
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.window import EARLIEST, Window
from src.core.costs.amounts import money
from src.core.costs.comparison import COMPARES, compared
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


@given(st.dates(EARLIEST, LATEST - timedelta(days=400)), st.integers(1, 366), st.sampled_from((None, *COMPARES)))
def test_what_a_window_is_compared_with_ends_before_it_and_is_as_long_or_as_many_months(start, days, asked):
    window = Window(start, start + timedelta(days=days - 1))
    found = compared(window, asked)

    assert found.window.end < start or (found.by, days) == ("year_before", 366)
    assert found.by == (asked or found.by)
    if found.by == "previous_range":
        assert (found.window.end, len(found.window)) == (start - timedelta(days=1), days)
    else:
        # as many days, but for those that one of both months lacks
        assert abs(len(found.window) - days) <= 3


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
        ("2026-10-15 2026-11-14", "previous_month", "previous_month", "2026-08-15 2026-09-14"),
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
