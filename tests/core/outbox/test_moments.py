from dataclasses import replace
from datetime import UTC, datetime

import pytest

from src.core.ledger.tables.channels import Channel
from src.core.outbox.moments import next_digest, not_before
from tests.core.outbox.parts import START

PEOPLE = Channel(channel_id="c", org_slug="acme", kind="email", name="people", created_at=START, updated_at=START)
BERLIN = "Europe/Berlin"


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "now", "then"),
    [
        # Berlin is an hour ahead of UTC in winter
        ("22:00", "07:00", "2026-11-20T20:59", "2026-11-20T20:59"),
        ("22:00", "07:00", "2026-11-20T21:00", "2026-11-21T06:00"),
        ("22:00", "07:00", "2026-11-20T23:30", "2026-11-21T06:00"),
        ("22:00", "07:00", "2026-11-21T06:00", "2026-11-21T06:00"),
        ("12:00", "13:30", "2026-11-20T12:29", "2026-11-20T12:30"),
        # the clocks go forward, and 02:30 does not come
        ("01:00", "02:30", "2026-03-29T00:30", "2026-03-29T01:30"),
        # they go back, and 02:30 comes twice: the first ends it
        ("22:00", "02:30", "2026-10-24T23:00", "2026-10-25T00:30"),
        ("09:00", "09:00", "2026-11-20T08:00", "2026-11-20T08:00"),
        (None, None, "2026-11-20T23:00", "2026-11-20T23:00"),
    ],
)
def test_quiet_hours_end_by_the_organisations_clock(start, end, now, then):
    assert not_before(replace(PEOPLE, quiet_start=start, quiet_end=end), BERLIN, at(now)) == at(then)


@pytest.mark.parametrize(
    ("digest", "quiet", "now", "then"),
    [
        (None, (None, None), "2026-11-20T06:59", "2026-11-20T07:00"),
        (None, (None, None), "2026-11-20T07:00", "2026-11-21T07:00"),
        ("17:15", (None, None), "2026-11-20T12:00", "2026-11-20T16:15"),
        ("06:00", ("22:00", "07:30"), "2026-11-20T12:00", "2026-11-21T06:30"),
    ],
)
def test_the_days_message_comes_at_its_time_and_after_quiet_hours(digest, quiet, now, then):
    channel = replace(PEOPLE, digest_time=digest, quiet_start=quiet[0], quiet_end=quiet[1])
    assert next_digest(channel, BERLIN, at(now)) == at(then)


def test_machines_have_no_quiet_hours():
    assert not_before(replace(PEOPLE, kind="webhook", quiet_start="00:00", quiet_end="23:59"), BERLIN, START) == START
