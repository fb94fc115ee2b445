"""What a query gave, made visible in one publication with its manifest."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from src.core.base.faults import BooksNotClosed
from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.base.window import Window
from src.core.engine.port import ParquetFiles, TablePart
from src.core.engine.reader.port import RemoteAnswer, RemoteQuery
from src.core.step import manifests
from src.core.step.context import StepContext
from src.core.step.etl.config import WriteMode
from src.core.step.etl.fit import Fitted
from src.core.step.source.load import fence

FETCHED: Final = "fetched"
PROVIDER: Final = "bigquery"  # what was asked, and no provider of costs: by its manifests is known when those were last read
SHOWN_TABLES: Final = 100


@dataclass(frozen=True, slots=True)
class QueryLoad:
    destination: TableSchema
    mode: WriteMode
    part: TablePart
    """What stands for this run's rows: replaced by `overwrite`, and no row written lies outside."""
    window: Window
    may_be_empty: bool
    query: RemoteQuery
    fitted: Fitted
    manifest_table: TableSchema
    insert: str
    """From FETCHED, in the columns of the destination."""


def require_rows(loading: QueryLoad, answer: RemoteAnswer) -> None:
    if answer.rows or loading.may_be_empty:
        return
    told = f"source_query gave no rows, and {loading.mode} would "
    told += "add none to" if loading.mode == "append" else "leave nothing where it writes in"
    raise BooksNotClosed(f"{told} {loading.destination.name}; where that is right, say `empty: allowed`")


def publish(context: StepContext, tenant: Tenant, loading: QueryLoad, answer: RemoteAnswer) -> dict[str, Any]:
    warehouse, table = context.services.warehouse, loading.destination.name
    for schema in (loading.destination, loading.manifest_table):
        warehouse.ensure_table(tenant, schema)
    with warehouse.publication(tenant, context.run_id, fence(context, tenant)) as publication:
        removed = 0 if loading.mode == "append" else publication.remove(table, loading.part)
        written = 0
        for path in answer.paths:
            context.progress(rows=written, rows_total=answer.rows, doing=f"writing {table}")
            publication.stage(FETCHED, ParquetFiles((path,)), loading.fitted.shape)
            written += publication.insert(table, loading.insert, part=loading.part)
        _require_all(written, answer, table)
        manifest = _manifest(context, loading, answer)
        publication.append(manifests.TABLE, [manifest])
        context.still_wanted()
    context.log.info("etl.published", table=table, mode=loading.mode, rows=written, removed=removed)
    return manifest


def _require_all(written: int, answer: RemoteAnswer, table: str) -> None:
    if written != answer.rows:
        raise BooksNotClosed(f"source_query gave {answer.rows} rows, and {written} were written to {table}")


def _manifest(context: StepContext, loading: QueryLoad, answer: RemoteAnswer) -> dict[str, Any]:
    tables = answer.tables[:SHOWN_TABLES]
    version: Mapping[str, Any] = {
        "job_id": answer.job_id,
        "query": _digest(loading.query.sql, *(f"{name}={value}" for name, value in sorted(loading.query.params.items()))),
        "tables": list(tables),
        "bytes_processed": answer.bytes_processed,
    }
    return {
        "manifest_id": context.services.ids.new(),
        "pipeline_logging_id": context.run_id,
        "step_id": context.step_id,
        "document": context.document_id,
        "provider": PROVIDER,
        "generation": context.generation,
        "window_start": loading.window.start,
        "window_end": loading.window.end,
        "source": ", ".join(tables) or "source_query",
        "source_version": [version],
        "schema_fingerprint": _digest(*sorted({*loading.fitted.selection.columns, *loading.fitted.unknown})),
        "columns_unknown": sorted(loading.fitted.unknown),
        "columns_absent": sorted(loading.fitted.absent),
        "rows_read": answer.rows,
        "rows_written": answer.rows,
        "bytes_read": answer.bytes,
        "totals": {},
        "tables": {loading.destination.name: answer.rows},
        "shares": None,
        "unread": [],
        "quality": None,
        "published_at": context.services.clock.now(),
    }


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
