"""What a request to run a pipeline asks for, held against the calendar and the document."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from src.app.models.pipelines import DATES, RunRequest, WindowRule
from src.core.base.faults import Flaw, Rejected, first_flaws
from src.core.base.names import did_you_mean
from src.core.base.redaction import redacted_text
from src.core.base.window import EARLIEST, Window
from src.core.ledger.tables.run_pages import RunFilter
from src.core.pipeline.catalog import Catalog, CatalogEntry
from src.core.providers.directory import known_providers

# A year, also one with a leap day.
LONGEST_DAYS: Final = 366
LONGEST_NAME: Final = 90


def window_rule(today: date) -> WindowRule:
    return WindowRule(default=usual_window(today).start, earliest=EARLIEST, latest=today, longest_days=LONGEST_DAYS)


def usual_window(today: date) -> Window:
    """What a request that names no day is for."""
    return Window.day(today - timedelta(days=1))


def window_of(asked: RunRequest, today: date) -> Window:
    window = asked.window(today) or usual_window(today)
    first, last = ("start_date", "end_date") if asked.end_date else ("month", "month") if asked.month else ("date", "date")
    require_begun(asked.month, today)
    if window.end > today:
        raise _rejected(last, f"{window.end} lies in the future; name {today} (today, UTC) or a day before it")
    if window.start < EARLIEST:
        raise _rejected(first, f"{window.start} lies before anything was billed; name {EARLIEST} or a day after it")
    if len(window) > LONGEST_DAYS:
        raise _rejected(
            "start_date", f"{window} covers {len(window)} days, and one run takes {LONGEST_DAYS} at most; ask for it in several runs"
        )
    return window


def require_begun(month: date | None, today: date) -> None:
    """Told by the month that was named, and not by its days."""
    if month is not None and month > today:
        raise _rejected("month", f"{month:%Y-%m} lies in the future; name {today:%Y-%m} or a month before it")


def inputs_of(asked: RunRequest, entry: CatalogEntry) -> Mapping[str, Any]:
    return known_inputs(asked.inputs, entry)


def known_inputs(given: Mapping[str, Any], entry: CatalogEntry) -> Mapping[str, Any]:
    """The pipeline's own inputs; the document itself judges their values."""
    known = [*DATES, *entry.document.inputs]

    def unknown(name: str) -> Flaw:
        hint = did_you_mean(name, known) or f"; known here: {', '.join(known)}"
        return Flaw(f"is not known to {entry.document_id}{hint}", redacted_text(name)[:LONGEST_NAME])

    flaws, left_out = first_flaws([name for name in given if name not in known], unknown)
    if flaws:
        raise Rejected(f"{flaws[0].field} {flaws[0].message}", flaws=flaws, left_out=left_out)
    return given


def require_known_runs(catalog: Catalog, configs: Path, org_slug: str, wanted: RunFilter) -> None:
    """Asked where no run was found: of a pipeline or a provider that there is not it would look as if it had never run."""
    documents = [entry.document for entry in catalog.entries.values()]
    if wanted.pipeline_id is not None:
        _require(wanted.pipeline_id, "pipeline_id", {document.pipeline_id(org_slug) for document in documents})
    if wanted.provider is not None:
        _require(
            wanted.provider, "provider", {*known_providers(configs).by_name, *(str(one.provider) for one in documents if one.provider)}
        )


def _require(said: str, name: str, known: set[str]) -> None:
    if said not in known:
        mend = did_you_mean(said, known) or f"; there is {', '.join(sorted(known))}"
        raise Rejected(f"there is no {name} {redacted_text(said)[:LONGEST_NAME]!r}{mend}", flaws=[Flaw("is not known here", name)])


def _rejected(field: str, message: str) -> Rejected:
    return Rejected(f"{field}: {message}", flaws=[Flaw(message, field)])
