"""What is read of BigQuery's REST interface (v2): lists of datasets and tables, and a table's facts. In Google's shapes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import md5
from typing import TypeVar

from src.sandbox.gcp.account_rows import FIRST_DAY
from src.sandbox.gcp.accounts import DATASET, LOCATION, PROJECTS, table_names, usage_tables
from src.sandbox.gcp.problems import Failed, GoogleProblem, Json
from src.sandbox.gcp.rights import require_dataset, require_table
from src.sandbox.gcp.schema import fields_of
from src.sandbox.gcp.tokens import Bearer

PAGE = 50
BYTES_A_ROW = 900
DETAILED_ROWS = 1.7  # rows of the detailed export for one of the standard one
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Paging:
    size: int
    token: str | None

    def cut(self, found: Sequence[T]) -> tuple[Sequence[T], str | None]:
        try:
            start = int(self.token) if self.token else 0
        except ValueError:
            start = -1
        if not 0 <= start <= len(found):
            raise Failed(GoogleProblem(400, "INVALID_ARGUMENT", "invalid", "Invalid page token."))
        end = start + max(1, self.size)
        return found[start:end], str(end) if end < len(found) else None


class BigQuery:
    def __init__(self, today: Callable[[], date], rows_per_hour: int) -> None:
        self._today = today
        self._rows_per_hour = rows_per_hour

    def datasets(self, bearer: Bearer, project: str, paging: Paging) -> Json:
        if project not in PROJECTS:
            raise Failed(GoogleProblem(404, "NOT_FOUND", "notFound", f"Not found: Project {project}"))
        page, following = paging.cut([DATASET] if project == bearer.account.project else [])
        listed = [
            {
                "kind": "bigquery#dataset",
                "id": f"{project}:{name}",
                "datasetReference": {"datasetId": name, "projectId": project},
                "location": LOCATION,
            }
            for name in page
        ]
        return _page("bigquery#datasetList", "datasets", listed, following)

    def tables(self, bearer: Bearer, project: str, dataset: str, paging: Paging) -> Json:
        require_dataset(bearer, project, dataset, "bigquery.tables.list")
        names = table_names(project)
        page, following = paging.cut(names)
        listed = [
            {
                "kind": "bigquery#table",
                **_reference(project, name),
                "type": "TABLE",
                "timePartitioning": {"type": "DAY"},
                "creationTime": _milliseconds(FIRST_DAY),
            }
            for name in page
        ]
        return _page("bigquery#tableList", "tables", listed, following) | {"totalItems": len(names)}

    def table(self, bearer: Bearer, project: str, dataset: str, table: str) -> Json:
        require_dataset(bearer, project, dataset, "bigquery.tables.get")
        require_table(project, dataset, table)
        today = self._today()
        usage = usage_tables(project).get(table)
        # counted from the knob, not from the files: to ask for a table's facts must not make two years of them
        rows = (today - FIRST_DAY).days * 24 * self._rows_per_hour
        rows = int(rows * DETAILED_ROWS) if usage and usage.kind == "detailed" else rows
        return {
            "kind": "bigquery#table",
            # not a matter of safety: Google's etags are digests of this kind
            "etag": md5(f"{table}|{today}".encode(), usedforsecurity=False).hexdigest(),
            **_reference(project, table),
            "type": "TABLE",
            "schema": {"fields": [field.as_bigquery() for field in fields_of(project, table, today)]},
            "timePartitioning": {"type": "DAY"},
            "numRows": str(rows),
            "numBytes": str(rows * BYTES_A_ROW),
            "numLongTermBytes": "0",
            "creationTime": _milliseconds(FIRST_DAY),
            "lastModifiedTime": _milliseconds(today),
            "location": LOCATION,
        }


def _reference(project: str, table: str) -> Json:
    return {"id": f"{project}:{DATASET}.{table}", "tableReference": {"projectId": project, "datasetId": DATASET, "tableId": table}}


def _page(kind: str, name: str, listed: list[Json], following: str | None) -> Json:
    """Google leaves out a list that is empty."""
    return {"kind": kind, "etag": "sandbox", **({name: listed} if listed else {}), **({"nextPageToken": following} if following else {})}


def _milliseconds(day: date) -> str:
    return str(int(datetime.combine(day, time(), UTC).timestamp() * 1000))
