"""What the ledger knows of runs that failed: days that they were to bring say so, beside how complete they are."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Self

from src.core.base.window import Window
from src.core.costs.sight import SeenDays, bringing
from src.core.ledger.store import Unit
from src.core.ledger.tables.ended_runs import EndedRun, newest
from src.core.step.books.reasons import Remedy

Row = Mapping[str, Any]
LONGEST: Final = 200  # characters of what a run says went wrong; all of it stands in the run
CREDENTIAL: Final = "credential_name"


@dataclass(frozen=True)
class RunSight:
    failed: Mapping[str, Mapping[date, str]] = field(default_factory=dict)
    """By provider and day: how the last run failed that was to bring it, and the call that helps."""
    remedies: Mapping[str, Remedy] = field(default_factory=dict)
    """The call that brings days, by provider."""

    @classmethod
    def of(cls, org_slug: str, runs: Iterable[EndedRun], documents: Mapping[str, str]) -> Self:
        """`documents` are the pipelines that bring days, each with its provider."""
        failed: dict[str, dict[date, str]] = {}
        known: dict[str, set[date]] = {}
        for run in sorted(runs, key=lambda run: run.pipeline_logging_id, reverse=True):
            seen = known.setdefault(run.document, set())
            own = [day for day in Window(run.window_start, run.window_end) if day not in seen]
            seen.update(own)
            if own and run.status == "FAILED":
                told = _failure(run, own[0], own[-1], org_slug)
                failed.setdefault(documents[run.document], {}).update(dict.fromkeys(own, told))
        return cls(failed, {provider: Remedy(org_slug, document) for document, provider in documents.items()})

    def seen(self, found: dict[str, Any], asked: SeenDays) -> dict[str, Any]:
        """The rows of a statement: what is not complete says it where the last run that was to bring it failed."""
        if "spans" in found:
            found["spans"] = [{**row, "remedy": self.remedies.get(row["provider"])} for row in found["spans"]]
        if not self.failed:
            return found
        if "marks" in found:
            marks = [self._mark(row) for row in found["marks"]]
            found["marks"] = [*marks, *self._absent(found, asked)]
        if "invoices" in found:
            found["invoices"] = [self._invoice(row) for row in found["invoices"]]
        return found

    def _mark(self, row: Row) -> Row:
        return {**row, "failed": self._of(row["provider"], row["usage_date"])} if row["status"] != "complete" else row

    def _invoice(self, row: Row) -> Row:
        if row["completeness"] == "complete" or "invoice_month" not in row:
            return row
        days = self.failed.get(row["provider"], {})
        told = next((text for day, text in sorted(days.items()) if f"{day:%Y%m}" == row["invoice_month"]), None)
        return row if told is None else {**row, "completeness_reason": "; ".join(one for one in (row["completeness_reason"], told) if one)}

    def _absent(self, found: Row, asked: SeenDays) -> Iterator[Row]:
        """Days of which no run has told anything."""
        known = {(row["provider"], row["usage_date"]) for column in ("marks", "unmarked") for row in found.get(column) or ()}
        for provider, days in self.failed.items():
            if asked.providers is not None and provider not in asked.providers:
                continue
            for day in sorted({day for window in asked.windows for day in window} & days.keys()):
                if (provider, day) not in known and day < asked.today:
                    nothing = {"reason": None, "source_as_of": None, "published_at": None}
                    yield {"usage_date": day, "provider": provider, "status": "missing", **nothing, "failed": days[day]}

    def _of(self, provider: str, day: date) -> str | None:
        return self.failed.get(provider, {}).get(day)


NO_RUNS: Final = RunSight()


def run_sight_of(unit: Unit, org_slug: str, configs: Path) -> RunSight:
    documents = bringing(configs)
    return RunSight.of(org_slug, newest(unit, org_slug, documents), documents)


def _failure(run: EndedRun, first: date, last: date, org_slug: str) -> str:
    name = (run.parameters or {}).get(CREDENTIAL)
    remedy = Remedy(org_slug, run.document, {run.document: name} if isinstance(name, str) else {})
    return f"the last run failed on {_moment(run.ended_at)}: {_short(run.error_message)}; {remedy.run(first, last, run.document)}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d} at {at:%H:%M} UTC"


def _short(message: str | None) -> str:
    told = " ".join((message or "nothing is known of why").split()).rstrip(".")
    return told if len(told) <= LONGEST else f"{told[:LONGEST].rstrip()} ..."
