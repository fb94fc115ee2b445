"""Queries that BigQuery runs where an organisation's data lies, with its own credential. Any dataset it may read may stand in them.

A question is begun by jobs.query, under the scope that cannot write. What it does not finish at once is waited for, and a result is found,
by its job. Few rows come in pages, many through the Storage Read API from the table in which BigQuery keeps the result for a day.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import bigquery
from google.cloud.bigquery.enums import QueryApiMethod
from google.cloud.bigquery.table import RowIterator

from src.core.base.faults import Unavailable
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.engine.bigquery.jobs import BATCH_ROWS, BULK_ROWS, PAGE_ROWS
from src.core.engine.bigquery.types import arrow_schema, quoted
from src.core.engine.bigquery.values import plain_batch, with_parameters
from src.core.engine.port import Scalar
from src.core.engine.reader.access import GROUP_ROWS, ONCE, BigQueryAccess, grouped
from src.core.engine.reader.faults import Reading, as_reading_faults
from src.core.engine.reader.port import RemoteAnswer, RemoteColumn, RemoteQuery, Selection

ROW: Final = "x_row"
GIVEN: Final = "x_given_"


class BigQueryQueries:
    def __init__(self, access: BigQueryAccess) -> None:
        self._access = access

    def columns(self, query: RemoteQuery) -> tuple[RemoteColumn, ...]:
        with self._told():
            text, values = with_parameters(query.sql, query.params)
            config = bigquery.QueryJobConfig(query_parameters=values, dry_run=True, use_query_cache=False)
            return tuple(map(_column, self._access.asked(text, config).schema))

    def read(self, query: RemoteQuery, wanted: Selection, into: Path, rows_at_once: int, told: Callable[[int], None]) -> RemoteAnswer:
        text, given = _selecting(query.sql, wanted)
        with self._told():
            job, rows = self._answered(text, {**query.params, **given})
            schema = arrow_schema(rows.schema)
            written = _Written(into, schema, rows_at_once, told)
            with written:
                for group in grouped(self._batches(job, rows, schema)):
                    written.add(pa.Table.from_batches(group, schema))
            # a part of a result would stand in its table as if it were all
            if written.rows != rows.total_rows:
                raise Unavailable(f"BigQuery says that source_query gave {rows.total_rows} rows, and {written.rows} came")
            return RemoteAnswer(
                paths=tuple(written.paths),
                rows=written.rows,
                bytes=written.bytes,
                job_id=str(job.job_id),
                tables=tuple(sorted(f"{one.project}.{one.dataset_id}.{one.table_id}" for one in job.referenced_tables)),
                bytes_processed=int(job.total_bytes_processed or 0),
            )

    def close(self) -> None:
        self._access.close()

    def _answered(self, sql: str, params: Mapping[str, Any]) -> tuple[bigquery.QueryJob, RowIterator]:
        access, seconds = self._access, self._access.settings.bigquery_job_seconds
        text, values = with_parameters(sql, params)
        config = access.bounded(bigquery.QueryJobConfig(query_parameters=values), seconds)
        asked = access.client.query(
            text, config, retry=ONCE, timeout=access.answer_seconds, job_retry=None, api_method=QueryApiMethod.QUERY
        )
        found = access.job_client.get_job(
            asked.job_id, location=asked.location, retry=ONCE, timeout=access.settings.provider_timeout_seconds
        )
        job = cast("bigquery.QueryJob", found)
        return job, job.result(page_size=PAGE_ROWS, retry=ONCE, timeout=seconds, job_retry=None)

    def _batches(self, job: bigquery.QueryJob, rows: RowIterator, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        place = job.destination
        if (rows.total_rows or 0) > BULK_ROWS and place is not None:
            _, batches = self._access.rows(f"projects/{place.project}/datasets/{place.dataset_id}/tables/{place.table_id}")
        else:
            batches = rows.to_arrow_iterable()
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield plain_batch(batch.slice(start, BATCH_ROWS), schema)

    def _told(self) -> AbstractContextManager[None]:
        return as_reading_faults(Reading(self._access.account, None, self._access.project))


class _Written:
    """Parquet files, each of which ends with the row group that brings it to so many rows."""

    def __init__(self, into: Path, schema: pa.Schema, rows_at_once: int, told: Callable[[int], None]) -> None:
        self._into, self._schema, self._rows_at_once, self._told = into, schema, rows_at_once, told
        self._stack, self._in_file = ExitStack(), 0
        self._writer: Any = None
        self.paths: list[Path] = []
        self.rows = self.bytes = 0

    def add(self, table: pa.Table) -> None:
        if self._writer is None:
            self.paths.append(self._into / f"result-{len(self.paths)}.parquet")
            self._writer = self._stack.enter_context(pq.ParquetWriter(self.paths[-1], self._schema, compression="zstd"))
        self._writer.write_table(table, row_group_size=GROUP_ROWS)
        self._in_file += len(table)
        self.rows, self.bytes = self.rows + len(table), self.bytes + table.nbytes
        if self._in_file >= self._rows_at_once:
            self._stack.close()
            self._writer, self._in_file = None, 0
        self._told(len(table))

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def open_queries(settings: Settings, credential: Secret, labels: Mapping[str, str]) -> BigQueryQueries:
    return BigQueryQueries(BigQueryAccess(settings, credential, labels))


def _selecting(sql: str, wanted: Selection) -> tuple[str, dict[str, Scalar]]:
    """The query with no columns but those that are wanted; and the values of its own parameters."""
    # by number: not every name of a column can be a parameter's, and the query has parameters of its own
    given = {f"{GIVEN}{number}": value for number, value in enumerate(wanted.given.values())}
    columns = [f"{ROW}.{quoted(name)}" for name in wanted.columns]
    # by BigQuery, so that a row has the same text in every warehouse (decision 0015)
    columns += [f"TO_JSON_STRING({ROW}) AS {quoted(wanted.record)}"] if wanted.record else []
    columns += [f"@{parameter} AS {quoted(name)}" for parameter, name in zip(given, wanted.given, strict=True)]
    return f"SELECT {', '.join(columns)}\nFROM (\n{sql.strip().removesuffix(';')}\n) AS {ROW}", given


def _column(column: bigquery.SchemaField) -> RemoteColumn:
    return RemoteColumn(column.name, column.field_type, column.mode == "REPEATED", tuple(map(_column, column.fields)))
