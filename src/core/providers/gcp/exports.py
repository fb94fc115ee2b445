"""Which tables hold the bills of a service account's organisation, and which of them are counted.

The standard and the detailed export of a billing account tell of the same money, as two exports of one kind do while both are
written. So of each billing account one table counts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.core.base.faults import Conflict, Flaw, Missing, Rejected, first_flaws
from src.core.base.names import did_you_mean
from src.core.base.wording import unknown, words
from src.core.providers.export import ExportKind, TablePlace
from src.core.providers.gcp.account import PROJECT
from src.core.providers.gcp.bigquery_rest import BigQueryRest, Table
from src.core.providers.gcp.refusals import ROLES

EXPORT_TABLE = re.compile(r"gcp_billing_export_(?P<detailed>resource_)?v1_(?P<account>[0-9A-Za-z_]{1,100})")
DATASET_NAME = r"[A-Za-z0-9_]{1,1024}"
TABLE_NAME = rf"({DATASET_NAME}\.)?[A-Za-z0-9_-]{{1,300}}"
MOST_DATASETS = 200  # each is a call of its own
# each is looked at by a call of its own too
MOST_EXPORTS = 50


class ExportSettings(BaseModel):
    """Where to look, as far as the caller knows: by default everything the account sees in its own project."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    project: str | None = Field(default=None, pattern=f"^{PROJECT.pattern}$")
    dataset: str | None = Field(default=None, pattern=f"^{DATASET_NAME}$")
    tables: tuple[str, ...] = Field(default=(), max_length=MOST_EXPORTS)

    @classmethod
    def read(cls, given: Mapping[str, Any] | None) -> "ExportSettings":
        try:
            settings = cls.model_validate(dict(given or {}))
        except ValidationError as wrong:
            flaws, left_out = first_flaws(wrong.errors(include_input=False, include_url=False), _setting_flaw)
        else:
            nameless = [index for index, name in enumerate(settings.tables) if not re.fullmatch(TABLE_NAME, name)]
            flaws, left_out = first_flaws(nameless, _table_flaw)
            if not flaws:
                return settings
        raise Rejected(f"the settings do not fit: {flaws[0]}", flaws=flaws, left_out=left_out)


@dataclass(frozen=True, slots=True)
class FoundExport:
    project: str
    dataset: str
    table: str
    kind: ExportKind
    billing_account: str | None
    location: str | None
    made: str | None = None
    """When, as Google tells it: what was written before that it does not have."""
    counts: bool = False
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.dataset}.{self.table}"


@dataclass(frozen=True, slots=True)
class _Found:
    export: FoundExport
    facts: Table

    @property
    def rank(self) -> tuple[bool, bool, int, str]:
        """An export that was only just switched on, and is empty, does not push aside the one that has the history."""
        return self.facts.numRows > 0, self.export.kind == "detailed", self.facts.lastModifiedTime, self.export.name


def discover(bigquery: BigQueryRest, settings: ExportSettings, own_project: str, subject: str) -> tuple[FoundExport, ...]:
    """Every export it may read, by name; at least one of them counts."""
    project = settings.project or own_project
    found = [_looked_at(bigquery, project, *name) for name in _candidates(bigquery, project, settings)]
    if not found:
        where = f"dataset {settings.dataset} of project {project}" if settings.dataset else f"project {project}"
        raise Rejected(
            f"{subject} sees no billing export in {where}. Grant it {ROLES}; or name `project` and `dataset` of the export in settings, "
            "and see that the export to BigQuery is switched on (its first table comes within a day)"
        )
    chosen = _named(found, settings.tables) if settings.tables else _best(found)
    return tuple(sorted(chosen, key=lambda one: (one.name, one.kind)))


def connection(exports: Sequence[FoundExport], settings: ExportSettings) -> dict[str, Any]:
    """What is stored beside the credential. `project` and `dataset` are those of all counted tables, where they have one in common."""
    counted = [one for one in exports if one.counts]
    return {
        "project": _common(one.project for one in counted),
        "dataset": _common(one.dataset for one in counted),
        "tables": [asdict(one) for one in exports],
        "settings": settings.model_dump(mode="json", exclude_defaults=True),
    }


def sources(connections: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, int]]:
    """Of what is stored beside an organisation's credentials the tables that count, each with its account and the place of its credential:
    of one account one, the detailed export before the standard."""
    best: dict[str, tuple[tuple[bool, str], str, int]] = {}
    for at, stored in enumerate(connections):
        for table, facts in marked(stored):
            # a view or a copy does not name its account, and then stands for one of its own
            account = facts.get("billing_account") or table.source
            rank = (facts.get("kind") != "detailed", table.source)
            if account not in best or rank < best[account][0]:
                best[account] = (rank, table.source, at)
    return {source: (account, at) for account, (_, source, at) in best.items()}


def marked(connection: Mapping[str, Any]) -> list[tuple[TablePlace, Mapping[str, Any]]]:
    """The tables that count, of what is stored beside one credential."""
    tables = connection.get("tables") or []
    return [(TablePlace(one["project"], one["dataset"], one["table"]), one) for one in tables if one.get("counts")]


def _candidates(bigquery: BigQueryRest, project: str, settings: ExportSettings) -> list[tuple[str, str]]:
    """Dataset and table, of what is named or else looks like an export."""
    if settings.tables and all("." in name or settings.dataset for name in settings.tables):
        return [_placed(name, settings.dataset) for name in settings.tables]
    wanted = {name.rpartition(".")[2] for name in settings.tables}
    found: list[tuple[str, str]] = []
    for number, dataset in enumerate([settings.dataset] if settings.dataset else bigquery.datasets(project), start=1):
        if number > MOST_DATASETS:
            raise Rejected(f"project {project} has more than {MOST_DATASETS} datasets; name the one of the export: settings.dataset")
        found += [(dataset, name) for name in _names(bigquery, project, dataset, wanted)]
    if len(found) > MOST_EXPORTS:
        raise Rejected(f"project {project} has more than {MOST_EXPORTS} billing exports; name those to count: settings.tables")
    return found


def _placed(name: str, dataset: str | None) -> tuple[str, str]:
    before, _, table = name.rpartition(".")
    return before or str(dataset), table


def _names(bigquery: BigQueryRest, project: str, dataset: str, wanted: set[str]) -> Iterator[str]:
    for listed in bigquery.tables(project, dataset):
        name = listed.tableReference.tableId
        # a view tells of the same money as the table below it: only one that is named is taken
        if name in wanted or (EXPORT_TABLE.fullmatch(name) and listed.type == "TABLE"):
            yield name


def _looked_at(bigquery: BigQueryRest, project: str, dataset: str, table: str) -> _Found:
    try:
        facts = bigquery.table(project, dataset, table)
    except Missing:
        raise Rejected(f"there is no table {dataset}.{table} in project {project}; see `settings`") from None
    shape = EXPORT_TABLE.fullmatch(table)
    # a view or a copy of an export may have any name, and then its columns say which it is
    detailed = bool(shape["detailed"]) if shape else "resource" in facts.columns()
    kind: ExportKind = "detailed" if detailed else "standard"
    made = facts.creationTime and datetime.fromtimestamp(facts.creationTime / 1000, UTC).isoformat()
    return _Found(FoundExport(project, dataset, table, kind, account_named(table), facts.location, made or None), facts)


def account_named(table: str) -> str | None:
    """The billing account after which Google named an export's table."""
    shape = EXPORT_TABLE.fullmatch(table)
    # a table's name has _ where the account's own has -
    return shape["account"].upper().replace("_", "-") if shape else None


def _named(found: Sequence[_Found], names: Sequence[str]) -> Iterator[FoundExport]:
    """Those that the caller names count, and no others."""
    known = [export.name for export in (one.export for one in found)]
    for name in names:
        fitting = [one for one in known if one == name or ("." not in name and one.endswith(f".{name}"))]
        if not fitting:
            raise Rejected(f"settings.tables names {name}, which is not among the tables it sees{did_you_mean(name, known)}")
        if len(fitting) > 1:
            raise Rejected(f"settings.tables names {name}, and there are several: {', '.join(fitting)}; write dataset.table")
    counted: dict[str, str] = {}
    for export in (one.export for one in found):
        if export.name not in names and export.table not in names:
            yield replace(export, reason="settings.tables does not name it")
            continue
        # a view or a copy has no account in its name: whether it is a rival cannot be known, and the caller has named it
        other = counted.setdefault(export.billing_account or export.name, export.name)
        if other != export.name:
            raise Conflict(f"{other} and {export.name} are exports of the same billing account, and would count it twice; name one of them")
        yield replace(export, counts=True, reason="settings.tables names it")


def _best(found: Sequence[_Found]) -> Iterator[FoundExport]:
    best: dict[str, _Found] = {}
    for one in found:
        account = one.export.billing_account or one.export.name
        best[account] = max(best.get(account, one), one, key=lambda each: each.rank)
    for one in found:
        winner = best[one.export.billing_account or one.export.name].export
        if winner == one.export:
            yield replace(one.export, counts=True, reason=f"the {winner.kind} export of its billing account")
        else:
            yield replace(one.export, reason=f"{winner.name} counts for this billing account; adding both would count it twice")


def _common(values: Iterable[str]) -> str | None:
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None


def _table_flaw(index: int) -> Flaw:
    return Flaw("is no name of a table; write table or dataset.table", f"settings.tables[{index}]")


def _setting_flaw(error: Mapping[str, Any]) -> Flaw:
    at = error["loc"]
    said = unknown(str(at[0]), ExportSettings.model_fields) if error["type"] == "extra_forbidden" else words(error)
    return Flaw(said, ".".join(["settings", *(str(part) for part in at)])[:100])
