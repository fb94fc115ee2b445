from datetime import date
from pathlib import Path

from src.core.base.clock import Clock
from src.sandbox.gcp.answers import Answers
from src.sandbox.gcp.books import ROWS_PER_HOUR
from src.sandbox.gcp.exports import Exports
from src.sandbox.gcp.shelf import Shelf


class Gcp:
    """Google Cloud as the sandbox knows it. `shelf` and `today` make it the source of a FolderExport."""

    name = "gcp"

    def __init__(self, folder: Path, clock: Clock, *, today: date | None = None, rows_per_hour: int = ROWS_PER_HOUR) -> None:
        self._clock = clock
        self._today = today
        self._exports = Exports(folder / self.name, self.today, rows_per_hour)

    def today(self) -> date:
        return self._today or self._clock.now().date()

    def shelf(self, project: str, dataset: str, table: str) -> Shelf:
        return self._exports.shelf(project, dataset, table)

    def answers(self, table: str, first: date, last: date, as_of: date | None = None) -> Answers:
        """What the load days from `first` to `last` come to, as they can be read on `as_of` (today when left out)."""
        return self._exports.answers(table, first, last, as_of)
