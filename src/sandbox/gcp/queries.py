"""jobs.query: what a table's partitions are, told from what is known of them; any other question is run. Answers are kept for a while,
to be asked for by their job."""

import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Any, Protocol, cast

from src.sandbox.gcp.accounts import LOCATION
from src.sandbox.gcp.bigquery import Paging
from src.sandbox.gcp.cells import row
from src.sandbox.gcp.exports import Exports, ReadableDay
from src.sandbox.gcp.problems import Failed, GoogleProblem, Json
from src.sandbox.gcp.rights import require_dataset, require_work
from src.sandbox.gcp.schema import ExportField
from src.sandbox.gcp.tokens import Bearer

# Loaded by name for the first question that wants it: it imports DuckDB and the dialect.
SQL = "src.sandbox.gcp.sql"
KEPT = 20  # answers
PARTITIONS = re.compile(
    r"SELECT (?P<columns>\w+(?:, ?\w+)*) FROM `?(?P<project>[a-z0-9-]+)`?\.`?(?P<dataset>\w+)`?\.`?INFORMATION_SCHEMA`?\.`?PARTITIONS`? "
    r"WHERE table_name = @(?P<table>\w+) AND partition_id BETWEEN @(?P<first>\w+) AND @(?P<last>\w+)(?: ORDER BY partition_id)?",
    re.IGNORECASE,
)
FACTS: Mapping[str, tuple[str, Callable[[ReadableDay], object]]] = {
    "table_catalog": ("STRING", lambda one: one.shelf.table.project),
    "table_name": ("STRING", lambda one: one.shelf.table.name),
    "partition_id": ("STRING", lambda one: f"{one.day:%Y%m%d}"),
    "total_rows": ("INTEGER", lambda one: one.kept.rows),
    "total_logical_bytes": ("INTEGER", lambda one: one.kept.bytes),
    "last_modified_time": ("TIMESTAMP", lambda one: one.modified),
}


@dataclass(frozen=True, slots=True)
class QueryRequest:
    sql: str
    parameters: tuple[Json, ...]
    dry: bool
    whole_microseconds: bool
    """How the caller wants moments: as microseconds, or as Google's older clients do, as seconds."""

    @property
    def texts(self) -> dict[str, str]:
        return {str(one.get("name")): str(one.get("parameterValue", {}).get("value")) for one in self.parameters}


class KeptAnswer(Protocol):
    @property
    def fields(self) -> Sequence[Json]: ...
    @property
    def rows(self) -> Sequence[Json]: ...
    @property
    def tables(self) -> Sequence[Json]: ...


@dataclass(frozen=True, slots=True)
class Job:
    """A question that was answered, for whoever asked it."""

    account: str
    project: str
    question: QueryRequest
    told: Json
    tables: Sequence[Json]


class SqlModule(Protocol):
    def answered(
        self, exports: Exports, bearer: Bearer, project: str, text: str, parameters: Sequence[Json], *, dry: bool, whole: bool
    ) -> KeptAnswer: ...


class Queries:
    def __init__(self, exports: Exports) -> None:
        self._exports = exports
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def job(self, bearer: Bearer, project: str, job: str) -> Json:
        """jobs.get."""
        found = self._found(bearer, project, job)
        statistics = {"statementType": "SELECT", "referencedTables": list(found.tables), "totalBytesProcessed": "0", "cacheHit": False}
        hidden = {"projectId": project, "datasetId": "_sandbox_results", "tableId": job}
        return {
            "kind": "bigquery#job",
            "id": f"{project}:{LOCATION}.{job}",
            "jobReference": found.told["jobReference"],
            "status": {"state": "DONE"},
            "configuration": {
                "jobType": "QUERY",
                "query": {"query": found.question.sql, "useLegacySql": False, "destinationTable": hidden},
            },
            "statistics": {"query": statistics, "totalBytesProcessed": "0"},
        }

    def results(self, bearer: Bearer, project: str, job: str, paging: Paging) -> Json:
        """jobs.getQueryResults."""
        found = self._found(bearer, project, job)
        rows, following = paging.cut(found.told["rows"])
        told = {**found.told, "kind": "bigquery#getQueryResultsResponse", "rows": list(rows)}
        return told | ({"pageToken": following} if following else {})

    def _found(self, bearer: Bearer, project: str, job: str) -> Job:
        found = self._jobs.get(job)
        # whether it is somebody else's job is not told
        if found is None or (found.account, found.project) != (bearer.account.email, project):
            raise Failed(GoogleProblem(404, "NOT_FOUND", "notFound", f"Not found: Job {project}:{LOCATION}.{job}"))
        return found

    def _kept(self, bearer: Bearer, project: str, question: QueryRequest, told: Json, tables: Sequence[Json]) -> Json:
        if not question.dry:
            with self._lock:
                self._jobs[told["jobReference"]["jobId"]] = Job(bearer.account.email, project, question, told, tables)
                while len(self._jobs) > KEPT:
                    del self._jobs[next(iter(self._jobs))]
        return told

    def ask(self, bearer: Bearer, project: str, body: Mapping[str, Any]) -> Json:
        require_work(bearer, project, "bigquery.jobs.create")
        question = _question(body)
        found = PARTITIONS.fullmatch(" ".join(question.sql.split()))
        if found is None:
            sql = cast("SqlModule", import_module(SQL))
            told = sql.answered(
                self._exports, bearer, project, question.sql, question.parameters, dry=question.dry, whole=question.whole_microseconds
            )
            return self._kept(bearer, project, question, _told(project, told.fields, told.rows, question), told.tables)
        require_dataset(bearer, found["project"], found["dataset"], "bigquery.tables.get")
        fields = [ExportField(name, FACTS[name][0]).as_bigquery() for name in _columns(found["columns"])]
        rows = () if question.dry else self._partitions(found, question)
        return _told(project, fields, [row(one, whole=question.whole_microseconds) for one in rows], question)

    def _partitions(self, found: re.Match[str], question: QueryRequest) -> Iterator[list[object]]:
        given, columns = question.texts, _columns(found["columns"])
        missing = [found[name] for name in ("table", "first", "last") if found[name] not in given]
        if missing:
            raise invalid(f"Query parameter '{missing[0]}' not found")
        first, last = (_day(given[found[name]]) for name in ("first", "last"))
        for one in self._exports.partitions(found["project"], given[found["table"]], first, last):
            yield [FACTS[name][1](one) for name in columns]


def _told(project: str, fields: Sequence[Json], rows: Sequence[Json], question: QueryRequest) -> Json:
    job = {} if question.dry else {"jobId": f"job_{secrets.token_urlsafe(20)}"}
    told = {
        "kind": "bigquery#queryResponse",
        "schema": {"fields": fields},
        "jobReference": {"projectId": project, "location": LOCATION, **job},
        "totalBytesProcessed": "0",
        "jobComplete": True,
        "cacheHit": False,
    }
    return told if question.dry else told | {"totalRows": str(len(rows)), "rows": rows}


def invalid(message: str) -> Failed:
    return Failed(GoogleProblem(400, "INVALID_ARGUMENT", "invalidQuery", message))


def _question(body: Mapping[str, Any]) -> QueryRequest:
    location, sql = body.get("location") or LOCATION, body.get("query")
    if not isinstance(sql, str) or not sql.strip():
        raise Failed(GoogleProblem(400, "INVALID_ARGUMENT", "required", "Required parameter is missing: query"))
    if body.get("useLegacySql") is not False:
        raise invalid("the sandbox serves GoogleSQL alone; say useLegacySql: false")
    if str(location).upper() != LOCATION:
        raise Failed(GoogleProblem(404, "NOT_FOUND", "notFound", f"Not found: no dataset of the sandbox is in location {location}"))
    shown = body.get("formatOptions") or {}
    return QueryRequest(sql, tuple(body.get("queryParameters") or ()), bool(body.get("dryRun")), bool(shown.get("useInt64Timestamp")))


def _columns(listed: str) -> list[str]:
    names = [name.strip() for name in listed.split(",")]
    unknown = [name for name in names if name not in FACTS]
    if unknown:
        raise invalid(f"Unrecognized name: {unknown[0]}; the sandbox knows {', '.join(FACTS)} of a partition")
    return names


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise invalid(f"{text[:40]!r} is not the day of a partition, like 20261101") from None
