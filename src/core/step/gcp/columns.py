"""The columns of billing exports beside those that a load expects."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from src.core.base.documents import read_text
from src.core.base.faults import Flaw, Misconfigured, Missing, Rejected
from src.core.base.names import did_you_mean
from src.core.base.schema import SPELLINGS, Field
from src.core.providers.gcp import client
from src.core.providers.gcp.account import GcpAccount
from src.core.providers.gcp.bigquery_rest import BigQueryRest, Table
from src.core.providers.link import linked
from src.core.step import credentials
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.credential_use import refusals_noted

PROVIDER = "gcp"
BILLING = "billing_cost"
OWN_COLUMNS = frozenset({"source_table", "ingest_date", "record"})  # made by the load, in no export
NUMBERS = frozenset({"INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC"})
# In every export since the first, and without them a bill is not known; newer columns may lack.
REQUIRED = (
    *("billing_account_id", "invoice.month", "cost_type", "service.description", "sku.description", "project.id", "location.region"),
    *("usage_start_time", "usage_end_time", "labels.key", "export_time", "cost", "currency", "credits.amount"),
)


class ExportCheckConfig(credentials.CredentialConfig):
    template: str = BILLING
    required: tuple[str, ...] | None = None
    """Columns without which an export is refused, by dotted path."""

    @property
    def needed(self) -> tuple[str, ...]:
        return (REQUIRED if self.template == BILLING else ()) if self.required is None else self.required


@dataclass(frozen=True, slots=True)
class Columns:
    missing_required: tuple[str, ...]
    missing: tuple[str, ...]
    new: tuple[str, ...]
    mistyped: tuple[str, ...]


def read_templates(path: Path) -> Mapping[str, dict[str, str]]:
    """The columns of each template, type by dotted path."""
    try:
        raw = json.loads(read_text(path, str(path)))
    except json.JSONDecodeError as wrong:
        raise Misconfigured("a schema template is not JSON", flaws=[Flaw(wrong.msg, file=str(path), line=wrong.lineno)]) from wrong
    return {name: dict(_paths([Field.parse(field, str(path)) for field in fields], "")) for name, fields in raw.items()}


def template_flaws(name: str, templates: Mapping[str, object]) -> list[Flaw]:
    if name in templates:
        return []
    hint = did_you_mean(name, templates) or f"; known are {', '.join(templates)}"
    return [Flaw(f"there is no schema template {name!r}{hint}", "template")]


def check_exports(template: Mapping[str, str], required: Sequence[str], step_config: StepConfig, context: StepContext) -> StepResult:
    opened = credentials.opened(step_config, context, PROVIDER)
    counted = [one for one in opened.connection.get("tables", ()) if one["counts"]]
    if not counted:
        raise Rejected(f"the {PROVIDER} credential {opened.name!r} names no export to load; validate it, or set it up again")
    with refusals_noted(context, opened), linked(context.services, PROVIDER, context.given_up) as link:
        tables = client.tables(link, client.token(link, GcpAccount.parse(opened.secret)))
        checked = [(one, _exists(tables, one)) for one in counted]
    found = {_name(one): compare(template, required, one["kind"], table.columns()) for one, table in checked}
    flaws = [Flaw(f"lacks the column {column}", name) for name, columns in found.items() for column in columns.missing_required]
    flaws += [Flaw(f"has another type in {column}", name) for name, columns in found.items() for column in columns.mistyped]
    if flaws:
        raise Rejected("; ".join(f"{flaw.field} {flaw.message}" for flaw in flaws[:5]), flaws=flaws)
    shown = [
        {"table": _name(one), "kind": one["kind"], "rows_estimate": table.numRows, **asdict(found[_name(one)])} for one, table in checked
    ]
    for one in shown:
        # Google adds columns without notice, and a load keeps what it knows: no reason to stop it
        if one["new"]:
            context.log.warning("export.new_columns", table=one["table"], columns=one["new"])
    return {"status": "SUCCESS", "tables": shown}


def compare(template: Mapping[str, str], required: Sequence[str], kind: str, there: Mapping[str, str]) -> Columns:
    wanted = {path: type_ for path, type_ in template.items() if path.split(".")[0] not in OWN_COLUMNS}
    # only the detailed export tells of single resources
    if kind == "standard":
        wanted = {path: type_ for path, type_ in wanted.items() if path.split(".")[0] != "resource"}
    return Columns(
        missing_required=tuple(path for path in required if path not in there),
        missing=tuple(path for path in wanted if path not in there and path not in required),
        new=tuple(path for path in there if path not in template),
        mistyped=tuple(f"{path} ({there[path]})" for path, type_ in wanted.items() if path in there and not _alike(type_, there[path])),
    )


def _alike(wanted: str, there: str) -> bool:
    found = SPELLINGS.get(there)
    return found == wanted or (found in NUMBERS and wanted in NUMBERS)


def _exists(tables: BigQueryRest, one: Mapping[str, Any]) -> Table:
    try:
        return tables.table(one["project"], one["dataset"], one["table"])
    except Missing:
        raise Rejected(
            f"the export {_name(one)} is gone from project {one['project']}; see that it is switched on, then validate the credential again"
        ) from None


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['dataset']}.{one['table']}"


def _paths(fields: Sequence[Field], above: str) -> Iterator[tuple[str, str]]:
    for one in fields:
        yield f"{above}{one.name}", one.type
        yield from _paths(one.fields, f"{above}{one.name}.")
