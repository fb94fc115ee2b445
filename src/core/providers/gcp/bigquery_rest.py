"""BigQuery's lists of datasets and tables, over its REST interface (v2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from pydantic import Field

from src.core.base.clock import Clock
from src.core.providers.gcp.account import Token
from src.core.providers.gcp.refusals import refusal
from src.core.providers.http.auth import bearer
from src.core.providers.http.client import Http, HttpAnswer
from src.core.providers.http.paging import Cursor, Page, pages
from src.core.providers.http.shapes import W, WireModel, read

PAGE = 1000  # the most that datasets.list and tables.list answer at once
NEXT = Cursor(of="nextPageToken", param="pageToken")
LONGEST_LIST = 20  # pages
DEEPEST = 15  # levels of nested columns that BigQuery allows


class DatasetName(WireModel):
    projectId: str
    datasetId: str


class TableName(DatasetName):
    tableId: str


class ListedDataset(WireModel):
    datasetReference: DatasetName


class ListedTable(WireModel):
    tableReference: TableName
    type: str = "TABLE"


class DatasetPage(WireModel):
    datasets: list[ListedDataset] = Field(default_factory=list)


class TablePage(WireModel):
    tables: list[ListedTable] = Field(default_factory=list)


class WireField(WireModel):
    name: str
    type: str
    fields: list["WireField"] = Field(default_factory=list)


class WireSchema(WireModel):
    fields: list[WireField] = Field(default_factory=list)


class Table(ListedTable):
    """BigQuery writes 64-bit numbers as text."""

    location: str | None = None
    numRows: int = Field(default=0, ge=0)
    lastModifiedTime: int = Field(default=0, ge=0)
    creationTime: int | None = Field(default=None, ge=0)
    table_schema: WireSchema = Field(default=WireSchema(), alias="schema")

    def columns(self) -> dict[str, str]:
        """Type by dotted path."""
        return dict(_columns(self.table_schema.fields, ""))


@dataclass(frozen=True, slots=True)
class BigQueryRest:
    http: Http
    url: str
    token: Token
    clock: Clock

    def datasets(self, project: str) -> Iterator[str]:
        for page in self._pages(["projects", project, "datasets"], DatasetPage):
            yield from (one.datasetReference.datasetId for one in page.datasets)

    def tables(self, project: str, dataset: str) -> Iterator[ListedTable]:
        for page in self._pages(["projects", project, "datasets", dataset, "tables"], TablePage):
            yield from page.tables

    def table(self, project: str, dataset: str, table: str) -> Table:
        path = ["projects", project, "datasets", dataset, "tables", table]
        return read(self._ask(path, Page(self._address(path), {})), Table, "Google", "/".join(path))

    def _pages(self, path: Sequence[str], shape: type[W]) -> Iterator[W]:
        longer = f"Google's list of {'/'.join(path)} has more than {LONGEST_LIST * PAGE} entries; name the dataset in settings"
        first = Page(self._address(path), {"maxResults": PAGE})
        answers = pages(partial(self._ask, path), first, NEXT, most=LONGEST_LIST, longer=longer)
        return (read(answer, shape, "Google", "/".join(path)) for answer in answers)

    def _ask(self, path: Sequence[str], page: Page) -> HttpAnswer:
        answer = self.http.ask("GET", page.url, auth=bearer(self.token.text), params=page.params)
        if not answer.ok:
            raise refusal(answer, self.clock.now(), "/".join(path))
        return answer

    def _address(self, path: Sequence[str]) -> str:
        # every part is quoted, so that no name can lead to another address
        return "/".join([self.url.rstrip("/"), "bigquery/v2", *(quote(part, safe="") for part in path)])


def _columns(fields: Sequence[WireField], above: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    for one in fields:
        path = f"{above}{one.name}"
        yield path, one.type.upper()
        if depth < DEEPEST:
            yield from _columns(one.fields, f"{path}.", depth + 1)
