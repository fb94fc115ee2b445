"""How far a day's costs may be trusted, from what its publications recorded and from what time has passed since."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, cast, get_args

from src.core.engine.port import Row
from src.core.step.books.reasons import NO_CALL, Remedy

Status = Literal["missing", "partial", "unpriced", "stale", "provisional", "complete"]

# The worst stands first.
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
STALE_AFTER: Final = timedelta(hours=48)
NOT_LOADED = "nothing was loaded for this day"
NOT_OVER = "the day is not over, and nothing was loaded for it"
UNRECORDED = "rows are there, and no run has recorded how complete they are"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a publication recorded of one provider's day."""

    usage_date: date
    provider: str
    status: Status
    reason: str | None = None
    source_as_of: datetime | None = None
    published_at: datetime | None = None
    failed: str | None = None
    """How the last run failed that was to bring it, and the call that helps."""


@dataclass(frozen=True, slots=True)
class DayCompleteness:
    status: Status
    reason: str | None = None
    source_as_of: datetime | None = None


def aged(mark: Mark, read_at: datetime | None, now: datetime, remedy: Remedy | None = None) -> Mark:
    """A day that was provisional is stale when nobody has looked at its source since: what it waits for may have come."""
    if mark.status != "provisional" or read_at is None or now - read_at <= STALE_AFTER:
        return mark
    hours = (now - read_at) // timedelta(hours=1)
    before = f" ({mark.reason.partition('; ')[0]})" if mark.reason else ""
    again = (remedy or NO_CALL).run(mark.usage_date, mark.usage_date)
    old = f"its source was last read {hours} hours ago, and more may have come since{before}"
    return replace(mark, status="stale", reason=f"{old}; {again}")


def together(statuses: Sequence[Status]) -> Status:
    """The worst of them; but where one is missing beside others, some of the whole is there, and it is partial."""
    found = min(statuses, key=STATUSES.index)
    return "partial" if found == "missing" and set(statuses) != {"missing"} else found


def of_day(by_provider: Mapping[str, Sequence[Mark]]) -> DayCompleteness:
    """Of one day, with the reason of each provider unless all are complete."""
    found = {provider: together([mark.status for mark in marks]) for provider, marks in sorted(by_provider.items())}
    moments = [mark.source_as_of for marks in by_provider.values() for mark in marks if mark.source_as_of is not None]
    said = [(provider, status, _reasons(by_provider[provider])) for provider, status in found.items()]
    telling = any(reason or status != "complete" for _, status, reason in said)
    text = "; ".join(f"{provider}: {reason or status}" for provider, status, reason in said) if telling else None
    # the oldest moment: a day is as fresh as what was read longest ago
    return DayCompleteness(together(list(found.values())), text, min(moments, default=None))


def _reasons(marks: Sequence[Mark]) -> str:
    # the currencies of a day often share their reason
    told = ", ".join(dict.fromkeys(mark.reason for mark in marks if mark.reason))
    failed = dict.fromkeys(mark.failed for mark in marks if mark.failed)
    return "; ".join([told or marks[0].status, *failed]) if failed else told


@dataclass(frozen=True)
class CompletenessCalendar:
    """The days of a range with what is known of each; `began` says from which day on a provider is expected, `ended` until when."""

    today: date
    days: Mapping[date, Mapping[str, Sequence[Mark]]] = field(default_factory=dict)
    began: Mapping[str, date] = field(default_factory=dict)
    as_of: datetime | None = None
    ended: Mapping[str, date] = field(default_factory=dict)
    remedies: Mapping[str, Remedy] = field(default_factory=dict)
    """The call that brings days, by provider."""
    used_since: Mapping[str, date] = field(default_factory=dict)
    """As a person said it: nothing is spent on a provider before it is used."""
    # asked for every row, and many rows share a day
    _held: dict[tuple[date, str | None], DayCompleteness] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        marks: Iterable[Mark],
        began: Mapping[str, date],
        now: datetime,
        read_at: Mapping[str, datetime | None] | None = None,
        ended: Mapping[str, date] | None = None,
        *,
        remedies: Mapping[str, Remedy] | None = None,
        used_since: Mapping[str, date] | None = None,
    ) -> "CompletenessCalendar":
        days: dict[date, dict[str, list[Mark]]] = {}
        published: list[datetime] = []
        for mark in marks:
            found = aged(mark, (read_at or {}).get(mark.provider), now, (remedies or {}).get(mark.provider))
            days.setdefault(mark.usage_date, {}).setdefault(mark.provider, []).append(found)
            if mark.published_at is not None:
                published.append(mark.published_at)
        return cls(now.date(), days, began, max(published, default=None), ended or {}, remedies or {}, used_since or {})

    def standing(self, day: date, provider: str | None = None) -> DayCompleteness:
        """Of all providers, or of one."""
        held = self._held.get((day, provider))
        if held is None:
            held = self._held[day, provider] = self._standing(day, provider)
        return held

    def expected(self, day: date) -> set[str]:
        """The providers of which anything is known of this day, or should be."""
        due = {name for name, since in self.began.items() if since <= day <= self.ended.get(name, date.max)}
        return {*self.days.get(day, {}), *due}

    def unused(self, day: date, provider: str) -> bool:
        return day < self.used_since.get(provider, date.min)

    def counts(self, window: Iterable[date]) -> dict[Status, int]:
        found = [self.standing(day).status for day in window]
        return {status: found.count(status) for status in reversed(STATUSES)}

    def _standing(self, day: date, provider: str | None) -> DayCompleteness:
        recorded = self.days.get(day, {})
        absent = NOT_OVER if day >= self.today else NOT_LOADED
        names = {provider} if provider else self.expected(day) or {name for name in self.used_since if self.unused(day, name)}
        if not names:
            return DayCompleteness("missing", absent)
        told = {name: recorded.get(name) or [Mark(day, name, "missing")] for name in names}
        return of_day({name: [self._with_reason(mark) for mark in marks] for name, marks in told.items()})

    def _with_reason(self, mark: Mark) -> Mark:
        if mark.status != "missing" or mark.reason is not None:
            return mark
        if self.unused(mark.usage_date, mark.provider):
            return replace(mark, reason=f"it is used since {self.used_since[mark.provider]}, as the organisation says")
        if mark.usage_date >= self.today:
            return replace(mark, reason=NOT_OVER)
        return replace(mark, reason=_helped(NOT_LOADED, mark.usage_date, None if mark.failed else self.remedies.get(mark.provider)))


def _helped(reason: str, day: date, remedy: Remedy | None) -> str:
    return f"{reason}; {remedy.run(day, day)}" if remedy else reason


def calendar_of(marks: Iterable[Row], unmarked: Iterable[Row], spans: Iterable[Row], now: datetime) -> CompletenessCalendar:
    """From what both questions select of `x_cost_daily`, and the days that have rows and stand not there."""
    recorded = [Mark(**cast("Any", row)) for row in marks]
    known = list(spans)
    remedies = {str(row["provider"]): cast("Remedy", row["remedy"]) for row in known if row.get("remedy") is not None}
    for row in unmarked:
        reason = _helped(UNRECORDED, cast("date", row["usage_date"]), remedies.get(str(row["provider"])))
        recorded.append(Mark(**cast("Any", row), status="provisional", reason=reason))
    return CompletenessCalendar.of(
        recorded,
        {str(row["provider"]): cast("date", row["first_day"]) for row in known},
        now,
        {str(row["provider"]): cast("datetime | None", row["read_at"]) for row in known},
        {str(row["provider"]): cast("date", row["last_day"]) for row in known if row.get("last_day") is not None},
        remedies=remedies,
        used_since={str(row["provider"]): cast("date", row["used_since"]) for row in known if row.get("used_since") is not None},
    )
