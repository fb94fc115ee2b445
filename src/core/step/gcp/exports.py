"""Tables of Google's billing export as sources: which of them count, and how they are opened."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import ClassVar

from src.core.base.faults import Rejected
from src.core.base.identity import Tenant
from src.core.base.window import EARLIEST, Window
from src.core.engine import Measure
from src.core.engine.port import RemoteRows
from src.core.ledger.tables.credentials import list_for
from src.core.providers.export import BillingExport, TablePlace
from src.core.providers.gcp.exports import marked
from src.core.providers.slices import Came, Listing, OnBytes, Slice
from src.core.step.context import StepContext
from src.core.step.counted import opened_sources
from src.core.step.credentials import OpenCredential
from src.core.step.gcp.bigquery_export import BigQueryExport, open_reader
from src.core.step.source.in_flight import CountsRows

PROVIDER = "gcp"


@dataclass(frozen=True, slots=True)
class ExportSource:
    """One table of an export, by the day its rows were written."""

    table: TablePlace
    export: BillingExport
    marks: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return self.table.source

    def slices(self, wanted: Window, everything: Window) -> Listing:  # noqa: ARG002 - one question tells of all
        days = self.export.load_days(self.table.table, everything.start, everything.end)
        made, holds = self.export.made(self.table.table), partial(self.export.holds, self.table.table)
        # also of the first day that is asked for it is to be known whether it is that on which the export began
        known = made is not None and made.date() < everything.start
        if days and days[0].first == everything.start and known:
            return Listing(days, everything, made=made, holds=holds)
        # of the days without rows before the first it is not known whether there was nothing, or no export yet
        before = self.export.load_days(self.table.table, EARLIEST, everything.start - timedelta(1))
        first = days[0].first if days else made.date() if made else everything.end
        return Listing(days, everything, begins=None if before else first, made=made, holds=holds)

    def fetch(self, slices: Sequence[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        return self.export.fetch(self.table.table, slices, into, on_bytes)

    def count_by(self, measure: Measure) -> None:
        if isinstance(self.export, CountsRows):
            self.export.count_by(measure)

    def counted(self, path: Path) -> Came | None:
        return self.export.counted(path) if isinstance(self.export, CountsRows) else None

    def place(self, slices: Sequence[Slice]) -> RemoteRows | None:
        place = self.export.place(self.table.table, slices)
        return RemoteRows(place.project, place.dataset, place.table, tuple(one.first for one in slices)) if place else None


@contextmanager
def opened_tables(
    context: StepContext, tenant: Tenant, credential: OpenCredential, named: Sequence[str]
) -> Iterator[Sequence[ExportSource]]:
    """Those that are named, or those that count; each with its dataset opened by the organisation's own credential."""
    place = (str(credential.connection.get("project")), str(credential.connection.get("dataset")))
    tables = [TablePlace(*place, name) for name in named] or _counted(context, tenant, credential)
    with closing(open_reader(context.services.settings, tenant, credential.secret)) as reader:
        yield [ExportSource(table, BigQueryExport(reader, table.project, table.dataset)) for table in tables]


def counting(context: StepContext, tenant: Tenant) -> frozenset[str]:
    """The sources that count, of all credentials of the organisation: of one account one, the detailed export before the standard."""
    return frozenset(opened_sources(PROVIDER, context.services.ledger.read(list_for, tenant.org_slug)))


def _counted(context: StepContext, tenant: Tenant, credential: OpenCredential) -> list[TablePlace]:
    """Those of this credential, but for accounts whose bill another credential of the organisation reads better."""
    own = marked(credential.connection)
    if not own:
        raise Rejected(
            f"the gcp credential {credential.name!r} names no billing export that counts; "
            "POST .../integrations/{org}/gcp/validate looks for its tables again"
        )
    best = counting(context, tenant)
    found = [table for table, _ in own if table.source in best]
    if not found:
        raise Rejected(
            f"every export of the gcp credential {credential.name!r} is of a billing account that another of its organisation's "
            "credentials reads already; run with that one, or delete it"
        )
    return sorted(found, key=lambda table: table.source)
