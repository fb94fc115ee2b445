from datetime import UTC, date, datetime

import pytest

from src.core.base.faults import Rejected
from src.core.schedules.parameters import inputs_of, window_of
from src.core.schedules.trigger import slot_of
from tests.core.schedules.parts import schedule

TODAY = date(2027, 3, 2)


@pytest.mark.parametrize(
    ("word", "today", "first", "last"),
    [
        ("yesterday", TODAY, date(2027, 3, 1), date(2027, 3, 1)),
        ("last_7_days", TODAY, date(2027, 2, 23), date(2027, 3, 1)),
        ("last_month", TODAY, date(2027, 2, 1), date(2027, 2, 28)),
        ("last_month", date(2027, 1, 31), date(2026, 12, 1), date(2026, 12, 31)),
        ("month_to_date", TODAY, date(2027, 3, 1), date(2027, 3, 1)),
        ("month_to_date", date(2027, 3, 1), date(2027, 2, 1), date(2027, 2, 28)),
    ],
)
def test_a_word_names_days_before_the_one_on_which_it_falls_due(word, today, first, last):
    window = window_of({"window": word}, today)

    assert (window.start, window.end) == (first, last)


def test_without_a_word_it_is_yesterday_and_all_else_is_the_pipelines():
    assert window_of({"region": "eu"}, TODAY) == window_of({"window": "yesterday"}, TODAY)
    assert inputs_of({"window": "last_month", "region": "eu"}) == {"region": "eu"}


@pytest.mark.parametrize("wrong", ["tomorrow", "", None, 7, ["yesterday"]])
def test_another_word_is_refused_with_those_there_are(wrong):
    with pytest.raises(Rejected, match="last_7_days"):
        window_of({"window": wrong}, TODAY)


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        ("UTC", datetime(2027, 3, 1, 23, 30, tzinfo=UTC), date(2027, 2, 28)),
        ("Asia/Tokyo", datetime(2027, 3, 1, 23, 30, tzinfo=UTC), date(2027, 3, 1)),
        ("America/Los_Angeles", datetime(2027, 3, 1, 7, 30, tzinfo=UTC), date(2027, 2, 27)),
    ],
)
def test_the_day_is_that_of_the_schedules_own_zone(work, zone, moment, day):
    made = schedule(work, timezone=zone)

    assert slot_of(made, moment, moment).window_start == day
