"""Tables of an organisation's BigQuery that are partitioned by the day of loading, read with its own credential."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import bigquery

from src.core.base.faults import Rejected
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.engine.files.hashing import HashedFile
from src.core.engine.port import LOAD_DAY
from src.core.engine.reader.access import GROUP_ROWS, ONCE, BigQueryAccess, grouped
from src.core.engine.reader.faults import Reading, as_reading_faults
from src.core.engine.reader.port import DayFile, RemoteDay, RemoteTable

PROJECT: Final = re.compile(r"(?:[a-z0-9.-]{1,200}:)?[a-z][a-z0-9-]{4,61}[a-z0-9]")
DATASET: Final = re.compile(r"[A-Za-z0-9_]{1,1024}")
TABLE: Final = re.compile(r"[A-Za-z0-9_-]{1,300}")
PARTITION: Final = re.compile(r"\d{8}")
COMPRESSION: Final = "lz4"  # written once and read once: zstd takes up to twice as long to write, for a twentieth of the room

# Rows still in the streaming buffer are of __UNSTREAMED__ and of no day yet. A range of digits leaves it out, as it does __NULL__; the
# day they then come to is listed in another version.
PARTITIONS: Final = """
SELECT partition_id, total_rows, total_logical_bytes, last_modified_time
FROM `{project}.{dataset}.INFORMATION_SCHEMA.PARTITIONS`
WHERE table_name = @table AND partition_id BETWEEN @first AND @last
ORDER BY partition_id
"""
READABLE: Final = "SELECT * FROM `{project}.{dataset}.{table}` WHERE _PARTITIONTIME IN UNNEST(@days)"
HELD: Final = """
SELECT DISTINCT DATE(_PARTITIONTIME) AS load_day, {values}
FROM `{project}.{dataset}.{table}`
WHERE _PARTITIONTIME IN UNNEST(@days)
"""
RESTRICTION: Final = "_PARTITIONTIME = TIMESTAMP '{day} 00:00:00+00:00'"


class BigQueryTables:
    def __init__(self, access: BigQueryAccess) -> None:
        self._access = access
        self._facts: dict[RemoteTable, bigquery.Table] = {}

    def days(self, table: RemoteTable, since: date, until: date) -> tuple[RemoteDay, ...]:
        if since > until:
            return ()
        # INFORMATION_SCHEMA answers only a job that runs where the dataset lies
        location = self._described(table).location
        values = {"table": table.table, "first": f"{since:%Y%m%d}", "last": f"{until:%Y%m%d}"}
        parameters = [bigquery.ScalarQueryParameter(name, "STRING", value) for name, value in values.items()]
        sql = PARTITIONS.format(project=table.project, dataset=table.dataset)
        with self._told(table):
            rows = [dict(row.items()) for row in self._access.asked(sql, bigquery.QueryJobConfig(query_parameters=parameters), location)]
        return tuple(_day_of(row) for row in rows if row["total_rows"] and PARTITION.fullmatch(row["partition_id"] or ""))

    def made(self, table: RemoteTable) -> datetime | None:
        created: datetime | None = self._described(table).created
        return created

    def prove(self, table: RemoteTable, days: Sequence[date]) -> None:
        """A listing of partitions needs no right to read them; planning to read them does."""
        location = self._described(table).location
        config = bigquery.QueryJobConfig(query_parameters=[_midnights(days)], dry_run=True, use_query_cache=False)
        with self._told(table):
            self._access.asked(READABLE.format(project=table.project, dataset=table.dataset, table=table.table), config, location)

    def held(self, table: RemoteTable, days: Sequence[date], values: Mapping[str, str]) -> list[Mapping[str, Any]]:
        location = self._described(table).location
        told = ", ".join(f"{value} AS {name}" for name, value in values.items())
        sql = HELD.format(project=table.project, dataset=table.dataset, table=table.table, values=told)
        with self._told(table):
            answer = self._access.asked(sql, bigquery.QueryJobConfig(query_parameters=[_midnights(days)]), location)
            return [dict(row.items()) for row in answer]

    def read(self, table: RemoteTable, day: date, path: Path, told: Callable[[pa.Table], None]) -> DayFile:
        named = _checked(table)
        with self._told(table):
            place = f"projects/{named.project}/datasets/{named.dataset}/tables/{named.table}"
            schema, batches = self._access.rows(place, RESTRICTION.format(day=day))
            return _written(batches, schema, day, path, told)

    def close(self) -> None:
        self._access.close()

    def _described(self, table: RemoteTable) -> bigquery.Table:
        if table not in self._facts:
            named = _checked(table)
            with self._told(table):
                seconds = self._access.settings.provider_timeout_seconds
                self._facts[table] = self._access.client.get_table(
                    f"{named.project}.{named.dataset}.{named.table}", retry=ONCE, timeout=seconds
                )
            _require_load_days(table, self._facts[table])
        return self._facts[table]

    def _told(self, table: RemoteTable) -> AbstractContextManager[None]:
        return as_reading_faults(Reading(self._access.account, table, self._access.project))


def open_tables(settings: Settings, credential: Secret, labels: Mapping[str, str]) -> BigQueryTables:
    return BigQueryTables(BigQueryAccess(settings, credential, labels))


def _checked(table: RemoteTable) -> RemoteTable:
    shapes = ((table.project, PROJECT), (table.dataset, DATASET), (table.table, TABLE))
    wrong = next((name for name, shape in shapes if not shape.fullmatch(name)), None)
    if wrong is not None:
        raise Rejected(f"{wrong[:80]!r} is no name of a project, dataset or table of BigQuery")
    return table


def _require_load_days(table: RemoteTable, facts: bigquery.Table) -> None:
    parts = facts.time_partitioning
    if facts.table_type != "TABLE" or parts is None or parts.field is not None or parts.type_ != bigquery.TimePartitioningType.DAY:
        raise Rejected(
            f"{table} is not partitioned by the day its rows were written (_PARTITIONTIME), as Google's own exports are; name the export "
            "itself in settings.tables, not a view or a copy of it"
        )


def _midnights(days: Sequence[date]) -> bigquery.ArrayQueryParameter:
    return bigquery.ArrayQueryParameter("days", "TIMESTAMP", [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days])


def _day_of(row: Mapping[str, Any]) -> RemoteDay:
    rows, size, modified = row["total_rows"], row["total_logical_bytes"] or 0, row["last_modified_time"]
    day = datetime.strptime(row["partition_id"], "%Y%m%d").replace(tzinfo=UTC).date()
    return RemoteDay(day, rows, size, f"{modified:%Y%m%dT%H%M%S.%fZ}-{rows}-{size}")


def _written(batches: Iterator[pa.RecordBatch], schema: pa.Schema, day: date, path: Path, told: Callable[[pa.Table], None]) -> DayFile:
    dated = LOAD_DAY not in schema.names
    whole = schema.append(pa.field(LOAD_DAY, pa.date32())) if dated else schema
    rows = 0
    with HashedFile(path) as file, closing(pq.ParquetWriter(file, whole, compression=COMPRESSION)) as writer:
        for group in grouped(batches):
            table = pa.Table.from_batches(group, schema)
            if dated:
                table = table.append_column(whole.field(LOAD_DAY), pa.repeat(pa.scalar(day, pa.date32()), len(table)))
            told(table)
            writer.write_table(table, row_group_size=GROUP_ROWS)
            rows += len(table)
    return DayFile(rows, file.sha256)
