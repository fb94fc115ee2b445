from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.core.base.cron import Cron, cron_flaw, zone_flaw

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "America/Santiago", "Asia/Beirut", "Africa/Cairo", "Asia/Kolkata",
    "Australia/Lord_Howe", "Australia/Sydney", "Pacific/Chatham", "Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca",
)  # fmt: skip


def utc(year, month, day, hour=0, minute=0):
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def field(least, most):
    number = st.integers(least, most)
    span = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    listed = st.lists(number, min_size=1, max_size=4).map(lambda many: ",".join(map(str, many)))
    step = st.integers(1, most).map(lambda every: f"*/{every}")
    return st.one_of(st.just("*"), number.map(str), span, listed, step)


EXPRESSIONS = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)).map(" ".join)
# daily ones meet the changes of the clock far more often
DAILY = st.tuples(field(0, 59), field(0, 5)).map(lambda two: f"{two[0]} {two[1]} * * *")
MOMENTS = st.integers(0, 5 * 366 * 24 * 60).map(lambda minutes: utc(2024, 1, 1) + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("zone", "cron", "begin", "falls_due"),
    [
        # the clock leaps from 02:00 to 03:00 on 28 March
        ("Europe/Berlin", "30 2 * * *", (2027, 3, 27, 12), ["2027-03-28 01:00", "2027-03-29 00:30"]),
        ("America/New_York", "30 2 * * *", (2027, 3, 13, 12), ["2027-03-14 07:00", "2027-03-15 06:30"]),
        # 02:30 comes twice on 25 October
        ("Europe/Berlin", "30 2 * * *", (2026, 10, 24, 12), ["2026-10-25 00:30", "2026-10-26 01:30"]),
        ("America/New_York", "30 1 * * *", (2026, 10, 31, 12), ["2026-11-01 05:30", "2026-11-02 06:30"]),
        # half an hour
        ("Australia/Lord_Howe", "45 1 * * *", (2026, 4, 4, 12), ["2026-04-04 14:45", "2026-04-05 15:15"]),
        # the leap is at midnight
        ("America/Santiago", "15 0 * * *", (2026, 9, 5, 12), ["2026-09-06 04:00", "2026-09-07 03:15"]),
        # a whole day is not there
        ("Pacific/Apia", "0 9 * * *", (2011, 12, 29, 12), ["2011-12-29 19:00", "2011-12-30 10:00", "2011-12-30 19:00"]),
    ],
)
def test_a_time_of_day_falls_due_once_a_day_across_the_changes_of_the_clock(zone, cron, begin, falls_due):
    found = list(islice(Cron(cron, zone).following(utc(*begin)), len(falls_due)))

    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in found] == falls_due


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney"])
def test_what_falls_due_each_quarter_of_an_hour_does_so_through_both_hours_that_are_one(zone):
    for begin in (utc(2026, 3, 1), utc(2026, 10, 1)):
        found = list(islice(Cron("*/15 * * * *", zone).following(begin), 4000))
        assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=15)}


@pytest.mark.parametrize(
    ("zone", "cron", "begin", "falls_due"),
    [
        # 02:00 becomes 02:30 on 4 October: there is no 02:00, and 02:30 is the moment after 01:59
        ("Australia/Lord_Howe", "0 * * * *", (2026, 10, 3, 14), ["14:30", "16:00", "17:00"]),
        ("Australia/Lord_Howe", "*/15 * * * *", (2026, 10, 3, 15), ["15:15", "15:30", "15:45", "16:00"]),
        # 02:00 becomes 01:30 on 5 April
        ("Australia/Lord_Howe", "0 * * * *", (2026, 4, 4, 13, 30), ["14:00", "15:30", "16:30"]),
        ("Australia/Lord_Howe", "*/15 * * * *", (2026, 4, 4, 14, 30), ["14:45", "15:00", "15:15", "15:30"]),
        ("Europe/Berlin", "0 */2 * * *", (2027, 3, 27, 22, 30), ["23:00", "02:00", "04:00"]),
    ],
)
def test_what_has_no_single_hour_goes_by_the_clock_on_the_wall(zone, cron, begin, falls_due):
    found = list(islice(Cron(cron, zone).following(utc(*begin)), len(falls_due)))

    assert [f"{moment:%H:%M}" for moment in found] == falls_due


def test_begun_in_the_second_of_two_equal_hours_it_does_not_fall_due_in_the_first():
    at = datetime(2026, 11, 1, 1, 40, tzinfo=ZoneInfo("America/New_York"), fold=1)

    assert Cron("45 1 * * *", "America/New_York").after(at) == utc(2026, 11, 2, 6, 45)


@settings(max_examples=1000, deadline=None)
@given(EXPRESSIONS | DAILY, st.sampled_from(ZONES), MOMENTS)
def test_the_next_is_later_and_they_rise_and_none_comes_twice(expression, zone, moment):
    if cron_flaw(expression):
        return
    cron = Cron(expression, zone)
    found = list(islice(cron.following(moment), 4))

    assert all(later > earlier for earlier, later in pairwise([moment, *found]))
    # asked anew from each, as the trigger does, it tells of the same
    assert [cron.after(earlier) for earlier in found[:-1]] == found[1:]


@settings(max_examples=200, deadline=None)
@given(DAILY, st.sampled_from(ZONES), MOMENTS, st.integers(0, 60 * 24 * 40))
def test_the_latest_is_the_last_that_is_not_later_than_now(expression, zone, moment, minutes):
    cron = Cron(expression, zone)
    first, now = cron.after(moment), moment + timedelta(minutes=minutes)
    if first > now:
        return
    found = cron.latest(first, now)

    assert found <= now < cron.after(found)


@pytest.mark.parametrize("wrong", ["", "* * * *", "* * * * * *", "61 * * * *", "a * * * *", "0 0 30 2 *", "@daily", "0 24 * * *"])
def test_what_is_no_expression_is_told_with_an_example(wrong):
    assert "15 3 * * *" in (cron_flaw(wrong) or "")


@pytest.mark.parametrize("wrong", ["", "Europe", "../etc/passwd", "/etc/passwd", "Europe/Atlantis", "a\0b"])
def test_what_is_no_zone_is_told(wrong):
    assert zone_flaw(wrong)
