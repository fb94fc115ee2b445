from datetime import UTC, date, datetime, timedelta

import pytest

from src.core.base.window import Window
from src.core.costs.completeness import CompletenessCalendar, DayCompleteness, Mark, aged, of_day, together

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = date(2026, 11, 10)


def mark(status, provider="gcp", reason=None, as_of=None, day=DAY):
    return Mark(day, provider, status, reason, as_of)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["complete"], "complete"),
        (["complete", "provisional"], "provisional"),
        (["provisional", "stale"], "stale"),
        (["stale", "unpriced"], "unpriced"),
        (["unpriced", "partial"], "partial"),
        (["missing", "missing"], "missing"),
        (["missing", "complete"], "partial"),
    ],
)
def test_the_worst_status_wins_and_missing_beside_others_is_partial(statuses, expected):
    assert together(statuses) == expected
    assert together(statuses[::-1]) == expected


def test_a_provisional_day_is_stale_when_its_source_was_not_read_for_48_hours_and_not_before():
    day = mark("provisional", as_of=NOW - timedelta(days=9))

    assert aged(day, NOW - timedelta(hours=48), NOW) == day
    assert aged(day, NOW - timedelta(hours=49), NOW).status == "stale"
    assert "last read 49 hours ago" in (aged(day, NOW - timedelta(hours=49), NOW).reason or "")


@pytest.mark.parametrize("status", ["complete", "partial", "missing", "unpriced"])
def test_only_provisional_days_become_stale(status):
    old = mark(status, as_of=NOW - timedelta(days=400))

    assert aged(old, NOW - timedelta(days=400), NOW) == old


def test_a_stale_day_still_says_why_it_was_provisional():
    old = mark("provisional", reason="rows may still come")

    assert "(rows may still come)" in (aged(old, NOW - timedelta(hours=50), NOW).reason or "")


def test_a_day_lists_the_reason_of_each_provider_and_the_oldest_moment():
    day = of_day(
        {
            "gcp": [mark("complete", as_of=NOW)],
            "aws": [mark("partial", "aws", "2 of 3 files", NOW - timedelta(hours=9))],
        }
    )

    assert day == DayCompleteness("partial", "aws: 2 of 3 files; gcp: complete", NOW - timedelta(hours=9))


def test_a_complete_day_needs_no_reason():
    assert of_day({"gcp": [mark("complete")], "aws": [mark("complete", "aws")]}).reason is None


def test_a_provider_is_expected_from_its_first_day_on():
    began = {"gcp": DAY, "aws": DAY + timedelta(days=2)}
    days = [DAY + timedelta(days=number) for number in range(3)]
    calendar = CompletenessCalendar.of([mark("complete", day=day) for day in days], began, NOW)

    assert [calendar.standing(day).status for day in days] == ["complete", "complete", "partial"]
    assert calendar.standing(days[2]).reason == "aws: nothing was loaded for this day; gcp: complete"
    assert calendar.standing(days[2], "gcp").status == "complete"
    assert calendar.standing(days[2], "aws").status == "missing"


def test_a_day_that_is_not_over_says_so():
    calendar = CompletenessCalendar.of([], {}, NOW)

    assert calendar.standing(NOW.date()) == DayCompleteness("missing", "the day is not over, and nothing was loaded for it")
    assert calendar.standing(DAY) == DayCompleteness("missing", "nothing was loaded for this day")


def test_counts_cover_every_day_of_the_window():
    window = Window(DAY, DAY + timedelta(days=9))
    calendar = CompletenessCalendar.of([mark("complete"), mark("partial", day=DAY + timedelta(days=1))], {"gcp": DAY}, NOW)

    counts = calendar.counts(window)

    assert sum(counts.values()) == len(window)
    assert (counts["complete"], counts["partial"], counts["missing"]) == (1, 1, 8)
