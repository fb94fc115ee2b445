"""When a cron expression falls due, in a time zone and across its changes of the clock."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

EXAMPLE = "15 3 * * *"
FIELDS = 5
# how far back the last due time is looked for, the nearest first: of a cron that falls due each minute there are many in a day
SPANS = tuple(timedelta(**span) for span in ({"hours": 1}, {"days": 1}, {"days": 32}, {"days": 400}, {"days": 366 * 30}))


# word -> fields after minute and hour; both are spread over the small hours, so that not all organisations come at once
SPREAD = {"daily": "* * *", "monthly": "2 * *"}
SPREAD_BEGINS, SPREAD_MINUTES = 2, 240


def spread(cron: str, of: str) -> str:
    """A word of `SPREAD` as an expression, the same for the same name each time; an expression as it is."""
    if cron not in SPREAD:
        return cron
    minutes = int.from_bytes(hashlib.sha256(of.encode()).digest()[:4]) % SPREAD_MINUTES
    return f"{minutes % 60} {SPREAD_BEGINS + minutes // 60} {SPREAD[cron]}"


def cron_flaw(expression: str) -> str | None:
    """Why it is none, in the words of the mend."""
    wrong = None
    if len(expression.split()) != FIELDS:
        wrong = "has five fields: minute, hour, day of month, month, day of week"
    else:
        try:
            next(CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC)))
        except CronSimError as refused:
            # the package's own words: Bad hour, Bad day-of-month
            wrong = f"is no cron expression ({str(refused).lower()})"
        except StopIteration:
            wrong = "names a day that no year has"
    return wrong and f"{wrong}; write it like {EXAMPLE!r}, each day at 03:15"


def zone_flaw(name: str) -> str | None:
    try:
        zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # a directory of the database's is no file, and some names are no path
        return "is no time zone; write it like Europe/Berlin or UTC"
    return None


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@dataclass(frozen=True, slots=True)
class Cron:
    expression: str
    timezone: str

    def after(self, moment: datetime) -> datetime:
        """The first due time later than the moment, in UTC.

        A fixed time of day that the clock leaps over falls due where it lands; one that comes twice falls due the first time.
        """
        return next(self.following(moment))

    def following(self, moment: datetime) -> Iterator[datetime]:
        last = moment.astimezone(UTC)
        for found in CronSim(self.expression, last.astimezone(zone(self.timezone))):
            due = found.astimezone(UTC)
            # begun within an hour that comes twice, it would tell of the first of the two, which is over
            if due > last:
                yield due
                last = due

    def latest(self, first: datetime, at: datetime) -> datetime:
        """The last due time from `first`, which is one, up to `at`."""
        for span in SPANS:
            begin = max(at - span, first)
            found = begin if begin == first else None
            for due in self.following(begin):
                if due > at:
                    break
                found = due
            if found is not None:
                return found
        return first
