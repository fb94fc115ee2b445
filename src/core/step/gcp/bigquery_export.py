"""A billing export where Google writes it: tables of BigQuery, partitioned by the day rows were loaded."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from src.core.base.faults import Rejected
from src.core.base.identity import Tenant
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.engine import Measure, Rows, open_tables
from src.core.engine.reader.port import RemoteTable, RemoteTables
from src.core.providers.export import TablePlace
from src.core.providers.slices import Came, OnBytes, Slice, SliceDays, day_slice, require_listed, source_changed

# as the load's own query makes them
HELD: Final = {"usage_date": "DATE(COALESCE(usage_start_time, export_time))", "invoice_month": "invoice.month"}


class BigQueryExport:
    """A table is named alone, or with a dataset other than the connection's: `dataset.table`."""

    def __init__(self, tables: RemoteTables, project: str, dataset: str) -> None:
        self._tables = tables
        self._project, self._dataset = project, dataset
        self._measure: Measure | None = None
        self._came: dict[Path, Came] = {}

    def load_days(self, table: str, since: date, until: date) -> tuple[Slice, ...]:
        return tuple(day_slice(day.day, day.rows, day.bytes, day.version) for day in self._tables.days(self._named(table), since, until))

    def made(self, table: str) -> datetime | None:
        return self._tables.made(self._named(table))

    def holds(self, table: str, days: Iterable[Slice]) -> Mapping[str, SliceDays]:
        wanted = {one.day: one.key for one in days}
        try:
            rows = self._tables.held(self._named(table), [*wanted], HELD)
        except Rejected:
            # it would scan more than is allowed, or an old export lacks a column; what is asked helps, and is not needed
            return {}
        found = {key: (set[date](), set[str]()) for key in wanted.values()}
        for row in rows:
            used, months = found[wanted[row["load_day"]]]
            used.add(row["usage_date"])
            months |= {row["invoice_month"]} - {None}
        return {key: SliceDays(frozenset(used), frozenset(months)) for key, (used, months) in found.items() if used}

    def fetch(self, table: str, days: Iterable[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        wanted = tuple(days)
        paths = tuple(self._brought(table, day, into, on_bytes) for day in wanted)
        # the days are read one after the other, and one that was read may have been written to while others were
        require_listed(partial(self.load_days, table), table, wanted)
        return paths

    def place(self, table: str, days: Iterable[Slice]) -> TablePlace | None:
        named = self._named(table)
        # the platform's account may see more than the customer's: what it is to read, the customer's must be able to
        self._tables.prove(named, [day.day for day in days])
        return TablePlace(named.project, named.dataset, named.table)

    def count_by(self, measure: Measure) -> None:
        self._measure = measure

    def counted(self, path: Path) -> Came | None:
        return self._came.get(path)

    def close(self) -> None:
        self._tables.close()

    def _brought(self, table: str, day: Slice, into: Path, on_bytes: OnBytes) -> Path:
        named = self._named(table)
        path = into / f"{named.dataset}.{named.table}-{day.day}.parquet"
        shown, counted = _Shown(day, on_bytes), _Counted(self._measure)

        def told(rows: Rows) -> None:
            counted.add(rows)
            shown.add(len(rows))

        written = self._tables.read(named, day.day, path, told)
        # the listing and the rows are two answers: between them the day may have been written to
        if written.rows != day.rows:
            raise source_changed(table, [day])
        shown.finish()
        partition = f"{named}${day.day:%Y%m%d}"
        self._came[path] = Came(path, day.key, partition, day.version, day.bytes or 0, written.sha256, written.rows, counted.totals)
        return path

    def _named(self, table: str) -> RemoteTable:
        dataset, _, name = table.rpartition(".")
        return RemoteTable(self._project, dataset or self._dataset, name)


class _Shown:
    """A day's bytes, told as its rows come in."""

    def __init__(self, day: Slice, on_bytes: OnBytes) -> None:
        self._day, self._on_bytes = day, on_bytes
        self._rows = self._bytes = 0

    def add(self, rows: int) -> None:
        self._rows += rows
        listed = self._day.rows or 1
        self._up_to((self._day.bytes or 0) * min(self._rows, listed) // listed)

    def finish(self) -> None:
        self._up_to(self._day.bytes or 0)

    def _up_to(self, count: int) -> None:
        self._on_bytes(count - self._bytes)
        self._bytes = count


class _Counted:
    """What the pieces of a day come to; nothing where they are not counted, or one of them could not be."""

    def __init__(self, measure: Measure | None) -> None:
        self._measure = measure
        self._told: list[Mapping[str, Any]] = []

    def add(self, rows: Rows) -> None:
        told = self._measure(rows) if self._measure else None
        if told is None:
            self._measure = None
        else:
            self._told += told

    @property
    def totals(self) -> tuple[Mapping[str, Any], ...] | None:
        return tuple(self._told) if self._measure else None


def open_reader(settings: Settings, tenant: Tenant, credential: Secret) -> RemoteTables:
    """One for a run, whatever datasets it reads. Which addresses it asks is the platform's to say, never a credential's."""
    # labels group what is spent in the organisation's own project; a slug has no letter that a label may not have
    labels = {"service": "convergence", "org": str(tenant.org_slug)}
    return open_tables(settings, credential, labels)
