from collections.abc import Mapping
from datetime import date
from pathlib import Path
from threading import Event

from starlette.types import ASGIApp

from src.core.base.clock import Clock
from src.core.base.settings import SANDBOX_ROWS_PER_HOUR
from src.sandbox.gcp.answers import Answers
from src.sandbox.gcp.bigquery import BigQuery
from src.sandbox.gcp.exports import Exports
from src.sandbox.gcp.keys import Keys
from src.sandbox.gcp.service import Service, Trouble
from src.sandbox.gcp.shelf import Shelf
from src.sandbox.gcp.tokens import Tokens
from src.sandbox.gcp.traps import Trap, traps
from src.sandbox.gcp.worlds import DEMO, SERVICE_ACCOUNTS


class Gcp:
    """Google Cloud as the sandbox knows it. `shelf` and `today` make it the source of a FolderExport."""

    def __init__(self, folder: Path, clock: Clock, *, today: date | None = None, rows_per_hour: int = SANDBOX_ROWS_PER_HOUR) -> None:
        self._clock = clock
        self._today = today
        self._exports = Exports(folder / self.name, self.today, rows_per_hour)
        self._keys = Keys(folder / "credentials")
        self._service = Service(Tokens(self._keys, clock), BigQuery(self.today, rows_per_hour))

    @property
    def name(self) -> str:
        return "gcp"

    @property
    def app(self) -> ASGIApp:
        return self._service.app

    def endpoints(self, base: str) -> Mapping[str, str]:
        return {"gcp_token_url": f"{base}/token", "bigquery_url": base}

    def prepare(self) -> None:
        self._keys.file(DEMO)

    def prepare_more(self, stopping: Event) -> None:
        for name in SERVICE_ACCOUNTS:
            if stopping.is_set():
                return
            self._keys.file(name)

    def today(self) -> date:
        return self._today or self._clock.now().date()

    def shelf(self, project: str, dataset: str, table: str) -> Shelf:
        return self._exports.shelf(project, dataset, table)

    def service_account(self, name: str) -> str:
        """The text of its key file, as an organisation would store it."""
        return self._keys.file(name).read_text()

    def trouble(self, kind: Trouble, times: int = 1) -> None:
        """Lets BigQuery's next answers be this failure. For tests; nobody can ask for it over HTTP."""
        self._service.trouble(kind, times)

    def answers(self, table: str, first: date, last: date, as_of: date | None = None) -> Answers:
        """What the load days from `first` to `last` come to, as they can be read on `as_of` (today when left out)."""
        return self._exports.answers(table, first, last, as_of)

    def traps(self, first: date, last: date, as_of: date | None = None) -> list[Trap]:
        """Every planted trap with its right and its naive figure, for a load of these load days of the dollar and the euro account."""
        return traps(self._exports, first, last, as_of)
