"""jobs.query: what a table's partitions are, answered from what is known of them."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from src.sandbox.gcp.exports import Exports, Partition
from src.sandbox.gcp.problems import Failed, Json, Problem
from src.sandbox.gcp.rights import require_dataset, require_work
from src.sandbox.gcp.schema import Field
from src.sandbox.gcp.tokens import Bearer
from src.sandbox.gcp.worlds import LOCATION

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PARTITIONS = re.compile(
    r"SELECT (?P<columns>\w+(?:, ?\w+)*) FROM `?(?P<project>[a-z0-9-]+)`?\.`?(?P<dataset>\w+)`?\.`?INFORMATION_SCHEMA`?\.`?PARTITIONS`? "
    r"WHERE table_name = @(?P<table>\w+) AND partition_id BETWEEN @(?P<first>\w+) AND @(?P<last>\w+)(?: ORDER BY partition_id)?",
    re.IGNORECASE,
)
FACTS: Mapping[str, tuple[str, Callable[[Partition], object]]] = {
    "table_catalog": ("STRING", lambda one: one.shelf.table.project),
    "table_name": ("STRING", lambda one: one.shelf.table.name),
    "partition_id": ("STRING", lambda one: f"{one.day:%Y%m%d}"),
    "total_rows": ("INTEGER", lambda one: one.kept.rows),
    "total_logical_bytes": ("INTEGER", lambda one: one.kept.bytes),
    "last_modified_time": ("TIMESTAMP", lambda one: one.modified),
}


@dataclass(frozen=True, slots=True)
class Question:
    sql: str
    parameters: tuple[Json, ...]
    dry: bool
    whole_microseconds: bool
    """How the caller wants moments: as microseconds, or as Google's older clients do, as seconds."""

    @property
    def texts(self) -> dict[str, str]:
        return {str(one.get("name")): str(one.get("parameterValue", {}).get("value")) for one in self.parameters}


class Queries:
    def __init__(self, exports: Exports) -> None:
        self._exports = exports

    def ask(self, bearer: Bearer, project: str, body: Mapping[str, Any]) -> Json:
        require_work(bearer, project, "bigquery.jobs.create")
        question = _question(body)
        found = PARTITIONS.fullmatch(" ".join(question.sql.split()))
        if found is None:
            raise invalid("the sandbox answers questions about INFORMATION_SCHEMA.PARTITIONS as the service asks them, and no other")
        require_dataset(bearer, found["project"], found["dataset"], "bigquery.tables.get")
        rows = [] if question.dry else list(self._partitions(found, question))
        fields = [Field(name, FACTS[name][0]) for name in _columns(found["columns"])]
        return answer(project, fields, rows, question)

    def _partitions(self, found: re.Match[str], question: Question) -> Iterator[list[object]]:
        given, columns = question.texts, _columns(found["columns"])
        missing = [found[name] for name in ("table", "first", "last") if found[name] not in given]
        if missing:
            raise invalid(f"Query parameter '{missing[0]}' not found")
        first, last = (_day(given[found[name]]) for name in ("first", "last"))
        for one in self._exports.partitions(found["project"], given[found["table"]], first, last):
            yield [FACTS[name][1](one) for name in columns]


def answer(project: str, fields: list[Field], rows: list[list[object]], question: Question) -> Json:
    job = {} if question.dry else {"jobId": f"job_{secrets.token_urlsafe(20)}"}
    told = {
        "kind": "bigquery#queryResponse",
        "schema": {"fields": [field.as_bigquery() for field in fields]},
        "jobReference": {"projectId": project, "location": LOCATION, **job},
        "totalBytesProcessed": "0",
        "jobComplete": True,
        "cacheHit": False,
    }
    if question.dry:
        return told
    cells = [{"f": [{"v": cell(value, whole=question.whole_microseconds)} for value in row]} for row in rows]
    return told | {"totalRows": str(len(rows)), "rows": cells}


def cell(value: object, *, whole: bool) -> str | None:
    if isinstance(value, datetime):
        micros = (value - EPOCH) // (datetime.resolution)
        return str(micros) if whole else repr(micros / 1_000_000)
    return None if value is None else str(value)


def invalid(message: str) -> Failed:
    return Failed(Problem(400, "INVALID_ARGUMENT", "invalidQuery", message))


def _question(body: Mapping[str, Any]) -> Question:
    location, sql = body.get("location") or LOCATION, body.get("query")
    if not isinstance(sql, str) or not sql.strip():
        raise Failed(Problem(400, "INVALID_ARGUMENT", "required", "Required parameter is missing: query"))
    if body.get("useLegacySql") is not False:
        raise invalid("the sandbox serves GoogleSQL alone; say useLegacySql: false")
    if str(location).upper() != LOCATION:
        raise Failed(Problem(404, "NOT_FOUND", "notFound", f"Not found: no dataset of the sandbox is in location {location}"))
    shown = body.get("formatOptions") or {}
    return Question(sql, tuple(body.get("queryParameters") or ()), bool(body.get("dryRun")), bool(shown.get("useInt64Timestamp")))


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
