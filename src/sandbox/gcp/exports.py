import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path

from src.core.base.faults import Missing
from src.core.base.settings import SANDBOX_ROWS_PER_HOUR
from src.sandbox.gcp.account_rows import FIRST_DAY, PART_COMES_AFTER, AccountRows, parts_there
from src.sandbox.gcp.accounts import DATASET, PROJECTS, BillingAccount, UsageTable, usage_tables
from src.sandbox.gcp.detailed import by_resource
from src.sandbox.gcp.file_cache import Kept, Shelf
from src.sandbox.gcp.right_figures import Answers, count
from src.sandbox.gcp.rows import Row

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ReadableDay:
    """A load day as it can be read at a certain time."""

    shelf: Shelf
    day: date
    parts: int

    @property
    def kept(self) -> Kept:
        return self.shelf.day(self.day, self.parts)

    @property
    def file(self) -> Path:
        return self.shelf.file(self.day, self.parts)

    @property
    def modified(self) -> datetime:
        """When its latest part came, at midnight."""
        return datetime.combine(self.day + PART_COMES_AFTER[self.parts - 1], time(), UTC)


class Exports:
    """All usage exports of the sandbox, as files and as rows."""

    def __init__(self, folder: Path, today: Callable[[], date], rows_per_hour: int = SANDBOX_ROWS_PER_HOUR) -> None:
        self.today = today
        self._folder = folder
        self._lock = threading.Lock()
        self._shelves: dict[str, Shelf] = {}
        self._books: Callable[[BillingAccount], AccountRows] = lru_cache(maxsize=None)(lambda account: AccountRows(account, rows_per_hour))

    def shelf(self, project: str, dataset: str, table: str) -> Shelf:
        found = usage_tables(project).get(table) if dataset == DATASET else None
        if found is None:
            raise Missing(f"there is no usage export {project}.{dataset}.{table} in the sandbox")
        with self._lock:
            # two shelves of a table would have two locks, and make its files twice
            if table not in self._shelves:
                self._shelves[table] = Shelf(self._folder, found, self._books(found.account))
            return self._shelves[table]

    def partitions(self, project: str, table: str, first: date, last: date) -> list[ReadableDay]:
        """The days in this range, both ends included, that are over; the oldest first. A table without usage has none."""
        today = self.today()
        if table not in usage_tables(project):
            return []
        shelf, day, end = self.shelf(project, DATASET, table), max(first, FIRST_DAY), min(last, today - DAY)
        days = (day + DAY * number for number in range((end - day).days + 1))
        return [ReadableDay(shelf, day, parts_there(day, today)) for day in days]

    def rows(self, table: str, first: date, last: date, as_of: date | None = None) -> Iterator[Row]:
        """Of the load days from `first` to `last`, both included, as they can be read on `as_of`."""
        found, seen = self._table(table), as_of or self.today()
        day = max(first, FIRST_DAY)
        while day <= last:
            rows = self._books(found.account).rows(day, parts_there(day, seen))
            yield from by_resource(rows) if found.kind == "detailed" else rows
            day += DAY

    def parts(self, table: str, day: date, as_of: date) -> Iterator[list[Row]]:
        """What one load day of a standard export grew by, each time it did."""
        books = self._books(self._table(table).account)
        return (list(books.part(day, number)) for number in range(parts_there(day, as_of)))

    def answers(self, table: str, first: date, last: date, as_of: date | None = None) -> Answers:
        return count(self.rows(table, first, last, as_of))

    def _table(self, name: str) -> UsageTable:
        for project in PROJECTS:
            if name in (tables := usage_tables(project)):
                return tables[name]
        raise Missing(f"there is no usage export {name} in the sandbox")
