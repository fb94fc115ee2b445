"""Read sessions of the Storage API: rows of load days as Arrow, in the types of BigQuery's own, a batch at a time."""

import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import pyarrow as pa
from google.cloud.bigquery_storage_v1.types import (
    ArrowRecordBatch,
    ArrowSchema,
    CreateReadSessionRequest,
    DataFormat,
    ReadRowsRequest,
    ReadRowsResponse,
    ReadSession,
    ReadStream,
    StreamStats,
)

from src.sandbox.gcp.account_rows import FIRST_DAY
from src.sandbox.gcp.arrow import arrow_type
from src.sandbox.gcp.exports import Exports, ReadableDay
from src.sandbox.gcp.problems import Failed, GoogleProblem
from src.sandbox.gcp.rights import require_rows, require_work
from src.sandbox.gcp.schema import fields_of
from src.sandbox.gcp.tokens import Bearer

KEPT: Final = 1_000  # sessions; Google keeps one for six hours
PARENT: Final = re.compile(r"projects/(?P<project>[^/]+)")
TABLE: Final = re.compile(r"projects/(?P<project>[^/]+)/datasets/(?P<dataset>[^/]+)/tables/(?P<table>[^/]+)")
TERM: Final = re.compile(
    r"_PARTITION(?:TIME|DATE)\s*(?P<sign>=|>=|<=|>|<)\s*(?:TIMESTAMP|DATE)?\s*(?:\(\s*)?"
    r"['\"](?P<day>\d{4}-\d\d-\d\d)(?:[ T]00:00:00(?:\.0+)?)?(?:Z|\+00(?::00)?| ?UTC)?['\"]\s*\)?",
    re.IGNORECASE,
)
UNSERVED: Final = "the sandbox knows comparisons of _PARTITIONTIME or _PARTITIONDATE with a day, joined by AND"


@dataclass(frozen=True, slots=True)
class _Session:
    """What was there when it was made: days that grow later are read as they were."""

    account: str
    schema: pa.Schema
    days: tuple[ReadableDay, ...]


class Sessions:
    def __init__(self, exports: Exports) -> None:
        self._exports = exports
        self._lock = threading.Lock()
        self._made: dict[str, _Session] = {}

    def create(self, bearer: Bearer, request: bytes) -> bytes:
        asked = CreateReadSessionRequest.deserialize(request)
        wanted, payer, place = asked.read_session, PARENT.fullmatch(asked.parent), TABLE.fullmatch(asked.read_session.table)
        if payer is None or place is None:
            raise _invalid("parent is projects/{project}, and table is projects/{project}/datasets/{dataset}/tables/{table}")
        if wanted.data_format != DataFormat.ARROW:
            raise _invalid("the sandbox serves data_format ARROW alone")
        require_work(bearer, payer["project"], "bigquery.readsessions.create")
        require_rows(bearer, **place.groupdict())
        schema = _schema(place["project"], place["table"], self._exports.today(), wanted.read_options.selected_fields)
        days = self._days(place["project"], place["table"], wanted.read_options.row_restriction)
        name = f"projects/{payer['project']}/locations/us/sessions/{secrets.token_urlsafe(24)}"
        with self._lock:
            self._made[name] = _Session(bearer.account.email, schema, days)
            while len(self._made) > KEPT:
                del self._made[next(iter(self._made))]
        return bytes(ReadSession.serialize(self._told(name, wanted, schema, days)))

    def _told(self, name: str, wanted: ReadSession, schema: pa.Schema, days: Sequence[ReadableDay]) -> ReadSession:
        wanted.name = name
        wanted.arrow_schema = ArrowSchema(serialized_schema=schema.serialize().to_pybytes())
        # one, as Google gives for little; it gives none where no row is
        wanted.streams = [ReadStream(name=f"{name}/streams/one")] if days else []
        wanted.estimated_row_count = sum(day.kept.rows for day in days)
        return wanted

    def read(self, bearer: Bearer, request: bytes) -> Iterator[bytes]:
        asked = ReadRowsRequest.deserialize(request)
        name, _, _ = asked.read_stream.partition("/streams/")
        session = self._made.get(name)
        if session is None or session.account != bearer.account.email:
            raise Failed(GoogleProblem(404, "NOT_FOUND", "notFound", f"Not found: the read stream {asked.read_stream}"))
        total = sum(day.kept.rows for day in session.days)
        if asked.offset > total:
            raise Failed(GoogleProblem(400, "OUT_OF_RANGE", "invalid", f"offset {asked.offset} is beyond the {total} rows of the stream"))
        done = 0
        for batch in _batches(session):
            skipped = min(batch.num_rows, max(0, asked.offset - done))
            done += batch.num_rows
            if skipped < batch.num_rows:
                yield bytes(ReadRowsResponse.serialize(_answer(batch.slice(skipped), done, total)))

    def _days(self, project: str, table: str, restriction: str) -> tuple[ReadableDay, ...]:
        terms = [TERM.fullmatch(part.strip()) for part in re.split(r"\bAND\b", restriction, flags=re.IGNORECASE)] if restriction else []
        first, last = FIRST_DAY, self._exports.today()
        for term in terms:
            if term is None:
                raise _invalid(f"request failed: row filter is not supported: {UNSERVED}")
            day = datetime.strptime(term["day"], "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
            first, last = _narrowed(term["sign"], day, first, last)
        return tuple(self._exports.partitions(project, table, first, last))


def _narrowed(sign: str, day: date, first: date, last: date) -> tuple[date, date]:
    after = {"=": day, ">=": day, ">": day + timedelta(days=1)}.get(sign, first)
    before = {"=": day, "<=": day, "<": day - timedelta(days=1)}.get(sign, last)
    return max(first, after), min(last, before)


def _schema(project: str, table: str, today: date, selected: Sequence[str]) -> pa.Schema:
    fields = fields_of(project, table, today)
    unknown = sorted({*selected} - {field.name for field in fields})
    if unknown:
        raise _invalid(f"request failed: the following selected fields do not exist in the table schema: {', '.join(unknown)}")
    return pa.schema([pa.field(field.name, arrow_type(field)) for field in fields if not selected or field.name in selected])


def _batches(session: _Session) -> Iterator[pa.RecordBatch]:
    for day in session.days:
        # mapped: no more of a file is held than the batch that is read
        with pa.memory_map(str(day.file)) as file:
            reader = pa.ipc.open_file(file)
            for number in range(reader.num_record_batches):
                yield _whole(reader.get_batch(number), session.schema)


def _whole(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """With NULL in the columns that came after the day."""
    held = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns = [held[field.name] if field.name in held else pa.nulls(len(batch), field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _answer(batch: pa.RecordBatch, done: int, total: int) -> ReadRowsResponse:
    return ReadRowsResponse(
        arrow_record_batch=ArrowRecordBatch(serialized_record_batch=batch.serialize().to_pybytes()),
        row_count=batch.num_rows,
        stats=StreamStats(progress=StreamStats.Progress(at_response_start=(done - batch.num_rows) / total, at_response_end=done / total)),
    )


def _invalid(message: str) -> Failed:
    return Failed(GoogleProblem(400, "INVALID_ARGUMENT", "invalid", message))
