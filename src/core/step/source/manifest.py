"""The row that a publication leaves of itself. Pure."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from src.core.step.quality.judge import QualityVerdict
from src.core.step.source.load_parts import Closed, SourceLoad, Work, WrittenRows

# more than a year of days; a manifest is one row, and is read whole with each run that is shown
SHOWN_VERSIONS = 400


def manifest(work: Work, written: WrittenRows, closed: Closed) -> dict[str, Any]:
    context, loading = work.context, work.loading
    return {
        "manifest_id": context.services.ids.new(),
        "pipeline_logging_id": context.run_id,
        "step_id": context.step_id,
        "document": context.document_id,
        "provider": work.books.provider,
        "generation": context.generation,
        "window_start": loading.window.start,
        "window_end": loading.window.end,
        "source": loading.source,
        "source_version": [*_versions(loading), *_book(work, closed)],
        "schema_fingerprint": _fingerprint(loading, written),
        "columns_unknown": sorted(written.unknown),
        "columns_absent": sorted(written.absent),
        "rows_read": written.read.rows,
        "rows_written": written.rows,
        "bytes_read": sum(one.bytes or 0 for batch in loading.batches for one in batch.slices),
        "totals": written.read.shown(),
        # all of them, however many: what is not named here cannot be proven later
        "objects": written.objects,
        "tables": {**written.tables, **closed.tables},
        "shares": [share.shown for share in closed.shares] if work.books.rivals else None,
        "unread": _unread(loading),
        "days_changed": [str(day) for day in closed.days_changed[:SHOWN_VERSIONS]],
        "quality": _summary(work.verdicts),
        # the moment that the rows carry too: what was told as of a publication is found by it
        "published_at": work.by.at,
    }


def _summary(judged: Sequence[QualityVerdict]) -> dict[str, int] | None:
    counts: Counter[str] = Counter()
    for verdict in judged:
        counts.update(verdict.summary)
    return dict(counts) or None


def _versions(loading: SourceLoad) -> list[dict[str, Any]]:
    """Of each slice that was read; of very many the first and the last, and one fingerprint of all."""
    shown = []
    for reload in loading.reloads:
        every = [{"slice": one.key, "version": one.version, "rows": one.rows} for one in reload.slices]
        mark = hashlib.sha256(json.dumps(every).encode()).hexdigest()
        kept = every if len(every) <= SHOWN_VERSIONS else [every[0], every[-1]]
        shown.append({"source": reload.source, "slices": len(every), "fingerprint": mark, "versions": kept})
    return shown


def _book(work: Work, closed: Closed) -> list[dict[str, Any]]:
    """Which state of the price book days were priced by."""
    if work.books.prices is None or closed.rates is None:
        return []
    return [{"source": work.books.prices.seed.table, "last_change": closed.rates.changed_at and closed.rates.changed_at.isoformat()}]


def _unread(loading: SourceLoad) -> list[dict[str, Any]]:
    """What the source has by now and this publication left as it was."""
    unread = []
    for state in loading.sources.asked:
        slices = state.changed(loading.window.start, loading.calendar.today)
        gone = state.gone()
        if slices:
            unread.append({"source": state.source, "from": slices[0].key, "to": slices[-1].key, "slices": len(slices)})
        if gone:
            unread.append({"source": state.source, "no_longer_listed": list(gone[:SHOWN_VERSIONS])})
    return unread


def _fingerprint(loading: SourceLoad, written: WrittenRows) -> str:
    known = {column for destination in loading.destinations.values() for column in destination.raw.schema.columns}
    return hashlib.sha256("\n".join(sorted((known | written.unknown) - written.absent)).encode()).hexdigest()[:16]
