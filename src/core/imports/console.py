"""A file of DeepSeek's console as a source of days: use of one part of it, cost of the other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any, Literal

from src.core.base.documents import read_text
from src.core.base.faults import Rejected
from src.core.base.window import Window
from src.core.imports import files
from src.core.ledger.tables.imports import ImportedFile
from src.core.providers.deepseek.export import ConsoleExport, console_export
from src.core.step import manifests
from src.core.step.books.coverage import KnownSlices
from src.core.step.source.by_day import DaysLook
from src.core.step.source.days_processor import ReportAsker

Row = Mapping[str, Any]
FilePart = Literal["amounts", "costs", "records"]
LOOKS = "system/books/looks.sql"
USERS = "deepseek/books/users.sql"
ONE_DAY, ONE_HOUR = timedelta(1), timedelta(hours=1)


@dataclass(frozen=True)
class ConsoleDays:
    asking: ReportAsker
    part: FilePart

    @property
    def import_id(self) -> str:
        return str(self.asking.context.inputs.get("import_id"))

    @cached_property
    def file(self) -> ImportedFile:
        return files.find(self.asking.context.services, self.asking.tenant, self.import_id)

    @cached_property
    def export(self) -> ConsoleExport:
        return console_export(self.file.content, self.file.file_name)

    def looked_at(self, wanted: Window) -> DaysLook:
        """The last day of a file may not have been over when it was made, so it never takes the place of what a later file told."""
        context = self.asking.context
        # taken over after it was published and the file went: there is nothing more to read
        if manifests.of_run(context.services, self.asking.tenant, context.run_id):
            return DaysLook(None)
        if self._told is None:
            return DaysLook(None)
        self._require_same_user()
        at = self.file.exported_on or self.export.last
        until = min(wanted.end, files.last_known(self.export, self.file.exported_on))
        seen = self._seen(at)
        if until == at and seen is not None and seen > at:
            until -= ONE_DAY
        start = max(wanted.start, self.export.first)
        return DaysLook(Window(start, until) if start <= until else None, at)

    def rows(self, window: Window) -> Iterator[tuple[date, Row]]:
        told = self._told
        more = {"amounts": _of_a_day, "records": _of_an_hour}.get(self.part, dict)
        yield from ((row["usage_date"], more(row)) for row in told or () if row["usage_date"] in window)

    @property
    def _told(self) -> tuple[Row, ...] | None:
        return {"amounts": self.export.amounts, "costs": self.export.costs, "records": self.export.records}[self.part]

    def _seen(self, day: date) -> date | None:
        """When this day was last told of before."""
        looks = KnownSlices.of((), self._ask(LOOKS, {"provider": "deepseek"})).looks.get(self.asking.source)
        return looks.at(day) if looks else None

    def _require_same_user(self) -> None:
        if self.export.user_id is None:
            return
        account = self.asking.source.removesuffix(" costs")
        known = self._ask(USERS, {})
        users = sorted({row["user_id"] for row in known if row["account"] == account} - {self.export.user_id})
        if users:
            raise Rejected(
                f"the file is of {self.export.user_id}, and what was imported for {account} before is of {', '.join(users[:3])}: "
                "it is another account's; set its key up under a credential_name of its own and import the file for that"
            )
        # under two names the same use would count twice
        others = sorted({row["account"] for row in known if row["user_id"] == self.export.user_id} - {account})
        if others:
            name = others[0].removeprefix("deepseek-")
            raise Rejected(
                f"the file is of {self.export.user_id}, whose files were imported as {others[0]} before: "
                f"for {account} it would count twice; import it with credential_name={name}, "
                "and set a key up under that name if none is there"
            )

    def _ask(self, question: str, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        services = self.asking.context.services
        text = read_text(services.settings.configs_dir / question, f"configs/{question}")
        found: list[dict[str, Any]] = services.warehouse.query(self.asking.tenant, text, asked).to_pylist()
        return found


def _of_a_day(row: Row) -> Row:
    """The console tells a day whole, and of no request at which hour it was."""
    begins = datetime.combine(row["usage_date"], time(), UTC)
    return {**row, "told_by": "console", "bucket_start": begins, "bucket_end": begins + ONE_DAY}


def _of_an_hour(row: Row) -> Row:
    return {**row, "bucket_end": row["bucket_start"] + ONE_HOUR}
