"""What Anthropic tells of each day of a window, the oldest first: by one generation of its reports or by the other, and never by both."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import combinations, groupby
from typing import Any, Protocol, TypeVar

from msgspec import ValidationError, structs

from src.core.base.faults import CredentialRefused, Misconfigured, StepFailed
from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.providers.anthropic import client, reports
from src.core.providers.anthropic.columns import (
    ToldBy,
    UsedRow,
    code_columns,
    cost_columns,
    cost_row,
    seat_cost_columns,
    seat_use_columns,
    usage_columns,
    used_row,
)
from src.core.providers.anthropic.refusals import TITLE
from src.core.providers.anthropic.reports import SEATS, SPLITS, Api, TimedRow
from src.core.providers.http.buckets import DAY, WIDTHS, day_of, parts, spans
from src.core.providers.http.paging import Params
from src.core.providers.http.reports import place_of
from src.core.providers.link import ProviderLink
from src.core.providers.slices import DayColumns

Piece = tuple[date, DayColumns]
M = TypeVar("M")
Made = tuple[TimedRow, M]
"""A row as it came, and what it says."""


class DaysOfReports(Protocol):
    """Both generations behind one port."""

    def usage(self, window: Window, widths: Mapping[date, int]) -> Iterator[Piece]:
        """`widths` are the lengths of buckets on days that are not told whole."""
        ...

    def costs(self, window: Window) -> Iterator[Piece]: ...

    def seats(self, window: Window) -> Iterator[Piece]:
        """Claude Code, and whatever else is no use of the API."""
        ...

    def tells_seats(self, day: date) -> bool:
        """Whether this organisation is offered a report of them; one day shows it, and use and costs are whole without."""
        ...


def days_of(link: ProviderLink, key: Secret, api: Api, *, children: bool) -> DaysOfReports:
    return AnalyticsDays(link, key, children) if api == "analytics" else ReportDays(link, key)


@dataclass(frozen=True, slots=True)
class ReportDays:
    link: ProviderLink
    key: Secret

    def usage(self, window: Window, widths: Mapping[date, int]) -> Iterator[Piece]:
        for span, seconds in spans(window, widths):
            for page in client.usage(self.link, self.key).pages(span, seconds):
                yield from ((day_of(start), usage_columns(start, seconds, rows, ToldBy("reports"))) for start, rows in page if rows)

    def costs(self, window: Window) -> Iterator[Piece]:
        for page in client.costs(self.link, self.key).pages(window):
            yield from ((day_of(start), cost_columns(start, rows, ToldBy("reports"))) for start, rows in page if rows)

    def seats(self, window: Window) -> Iterator[Piece]:
        for day in window:
            if rows := list(client.claude_code(self.link, self.key, day)):
                yield day, code_columns(day, rows)

    def tells_seats(self, day: date) -> bool:
        try:
            next(client.claude_code(self.link, self.key, day), None)
        except (CredentialRefused, Misconfigured):
            return False
        return True


@dataclass(frozen=True)
class AnalyticsDays:
    link: ProviderLink
    key: Secret
    children: bool
    """Whether it is asked for organisations under this one."""

    def usage(self, window: Window, widths: Mapping[date, int]) -> Iterator[Piece]:
        for span, seconds in spans(window, widths):
            # the whole of a part is held: what is charged otherwise is taken from it
            for part in parts(span, client.PART_DAYS):
                split = sorted(_exactly_split(self._splits(part, seconds)), key=lambda one: one[0].begins)
                for start, rows in _by_start(split):
                    yield day_of(start), usage_columns(start, seconds, [used for _, used in rows], _told_by(rows))

    def costs(self, window: Window) -> Iterator[Piece]:
        groups = (*reports.COST_ROW_GROUPS, *(("organization_id",) if self.children else ()), *reports.COST_ROW_KINDS)
        for start, rows in _by_start(self._of_the_api(self._asked(reports.COST_ROWS, window, {"group_by[]": groups}, cost_row))):
            yield day_of(start), cost_columns(start, [cost for _, cost in rows], _told_by(rows))

    def seats(self, window: Window) -> Iterator[Piece]:
        asked: Params = {"group_by[]": reports.COST_ROW_GROUPS, "products[]": tuple(sorted(SEATS))}
        found: dict[int, list[DayColumns]] = {}
        for start, used in _by_start(self._asked(reports.USAGE_ROWS, window, asked, used_row)):
            found.setdefault(start, []).append(seat_use_columns(start, [one for _, one in used], _told_by(used)))
        for start, paid in _by_start(self._asked(reports.COST_ROWS, window, asked, cost_row)):
            found.setdefault(start, []).append(seat_cost_columns(start, [one for _, one in paid], _told_by(paid)))
        for start in sorted(found):
            yield from ((day_of(start), piece) for piece in found[start])

    def tells_seats(self, day: date) -> bool:  # noqa: ARG002 - they stand in the report of everything else
        return True

    def _splits(self, part: Window, seconds: int) -> dict[frozenset[str], list[Made[UsedRow]]]:
        """All rows, and those of each use that is charged otherwise, alone and together with others."""
        told: dict[frozenset[str], list[Made[UsedRow]]] = {}
        for names in (names for size in range(len(SPLITS) + 1) for names in combinations(SPLITS, size)):
            within = frozenset(names)
            # of what nobody used there is no part
            if all(told[within - {name}] for name in names):
                filters = {SPLITS[name][0]: (SPLITS[name][1],) for name in names}
                asked: Params = {"group_by[]": reports.USAGE_ROW_GROUPS, **filters}
                told[within] = list(self._of_the_api(self._asked(reports.USAGE_ROWS, part, asked, used_row, seconds)))
            else:
                told[within] = []
        return told

    def _asked(
        self, path: str, window: Window, params: Params, make: Callable[[Mapping[str, Any]], M], seconds: int = DAY
    ) -> Iterator[Made[M]]:
        for row in client.analytics(self.link, self.key, path, window, {**params, "time_bucket_width": WIDTHS[seconds]}):
            try:
                yield row, make({**row.usage, **row.cost, **self._own(row.grouped)})
            except ValidationError as wrong:
                raise client.ANALYTICS.shape_flaw(path, place_of(wrong)) from None

    def _of_the_api(self, rows: Iterable[Made[M]]) -> Iterator[Made[M]]:
        return (one for one in rows if one[0].group.get("product") not in SEATS)

    def _own(self, group: Mapping[str, Any]) -> Mapping[str, Any]:
        """The default workspace has an id here that stands on no list, and none in the other reports."""
        default = self._listed is not None and group.get("workspace_id") not in self._listed
        return {**group, "workspace_id": None} if default else group

    @cached_property
    def _listed(self) -> frozenset[str] | None:
        # of organisations under this one nobody lists the workspaces
        return None if self.children else client.workspaces(self.link, self.key)


def _exactly_split(told: Mapping[frozenset[str], list[Made[UsedRow]]]) -> Iterator[Made[UsedRow]]:
    """Rows of which each says how it is charged: those that fit some filters, less those that fit a further one."""
    for within in told:
        rows = {row.key: (row, used) for row, used in told[within]}
        exact: dict[tuple[Any, ...], dict[str, int | Decimal]] = {key: {} for key in rows}
        for beyond in (one for one in told if one >= within):
            sign = -1 if len(beyond - within) % 2 else 1
            for row, used in told[beyond]:
                found = exact.setdefault(row.key, {})
                for path, value in used.measures.items():
                    found[path] = found.get(path, 0) + sign * value
        for key, measures in exact.items():
            if key not in rows or any(value < 0 for value in measures.values()):
                raise StepFailed(f"parts of what {TITLE} tells in {reports.USAGE_ROWS} come to more than the whole; ask again")
            row, used = rows[key]
            if left := {path: value for path, value in measures.items() if value}:
                charged = structs.replace(used.groups, **{name: SPLITS[name][1] for name in within})
                yield row, UsedRow(charged, left)


def _by_start(rows: Iterable[Made[M]]) -> Iterator[tuple[int, list[Made[M]]]]:
    return ((start, list(some)) for start, some in groupby(rows, key=lambda one: one[0].begins))


def _told_by(rows: Iterable[Made[Any]]) -> ToldBy:
    told = [row.refreshed_at for row, _ in rows]
    return ToldBy("analytics", min((one for one in told if one is not None), default=None))
