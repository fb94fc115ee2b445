"""When a channel of people may be written to, by its organisation's clock. Pure."""

from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from src.core.ledger.tables.channels import Channel

DIGEST_TIME: Final = "08:00"
DAY: Final = timedelta(days=1)


def of_people(channel: Channel) -> bool:
    """A webhook is read by a machine: it is told each event at once, at any hour."""
    return channel.kind != "webhook"


def not_before(channel: Channel, zone: str, at: datetime) -> datetime:
    """This moment, or the end of the quiet hours that it falls into."""
    if not of_people(channel) or not channel.quiet_start or not channel.quiet_end or channel.quiet_start == channel.quiet_end:
        return at
    local = at.astimezone(ZoneInfo(zone))
    start, end = time.fromisoformat(channel.quiet_start), time.fromisoformat(channel.quiet_end)
    over_midnight = end < start
    clock = local.time()
    quiet = (clock >= start or clock < end) if over_midnight else start <= clock < end
    if not quiet:
        return at
    day = local.date() + DAY if over_midnight and clock >= start else local.date()
    # where clocks are put back within them, their end may be behind
    return max(at, _moment(datetime.combine(day, end), zone))


def next_digest(channel: Channel, zone: str, at: datetime) -> datetime:
    """The next time of the day's message, after quiet hours where it falls into them."""
    local = at.astimezone(ZoneInfo(zone))
    when = time.fromisoformat(channel.digest_time or DIGEST_TIME)
    days = (local.date(), local.date() + DAY, local.date() + 2 * DAY)
    following = next(moment for moment in (_moment(datetime.combine(day, when), zone) for day in days) if moment > at)
    return not_before(channel, zone, following)


def _moment(local: datetime, zone: str) -> datetime:
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
