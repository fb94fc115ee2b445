"""A query of a document, run by BigQuery where the organisation's data lies, and what it gives written to a table of the organisation."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Self, TypeAlias

from src.core.base.dataset_types import dataset_types
from src.core.base.documents import read_document, read_text
from src.core.base.faults import Flaw, Misconfigured, Rejected
from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.base.window import Window
from src.core.engine import open_queries
from src.core.engine.files.disk_space import room_for_files
from src.core.engine.port import WHOLE_TABLE, Scalar, TablePart
from src.core.engine.reader.port import RemoteAnswer, RemoteQueries, RemoteQuery
from src.core.step import credentials, manifests
from src.core.step.context import StepConfig, StepContext, StepPlace, StepResult
from src.core.step.credential_use import in_use
from src.core.step.etl.config import EtlStep, Rules, WriteMode, day_column, place_flaws
from src.core.step.etl.fit import fit_result
from src.core.step.etl.protected_tables import kept_tables
from src.core.step.etl.publication import QueryLoad, publish, require_rows
from src.core.step.onboarding.plan import DatasetConfig
from src.core.step.placeholders import bind_sql
from src.core.step.source.fetching import inbox
from src.core.step.source.load import already_published

SOURCE = "source_table"
INSERT = "insert.sql"
Opener: TypeAlias = Callable[[Settings, Secret, Mapping[str, str]], RemoteQueries]


@dataclass(frozen=True, slots=True)
class QueryEngine:
    provider: str
    """Whose credential a query runs with."""
    rules: Rules
    manifest_table: TableSchema
    insert: str
    open: Opener = open_queries

    @classmethod
    def read(
        cls, provider: str, configs: Path, template_dir: Path, templates: Mapping[str, TableSchema], usual: tuple[WriteMode, int]
    ) -> Self:
        dataset = configs / dataset_types().organization.folder / "config.yml"
        manifest_table = read_document(dataset, DatasetConfig).tables[manifests.TABLE].with_columns(dataset.parent, manifests.TABLE)
        insert = read_text(template_dir / INSERT, str(template_dir / INSERT))
        return cls(provider, Rules(templates, kept_tables(configs), *usual), manifest_table, insert)

    def check(self, step_config: StepConfig, place: StepPlace) -> Sequence[Flaw]:
        return [*self.rules.config_flaws(step_config), *place_flaws(step_config, place)]

    def run(self, step_config: StepConfig, context: StepContext) -> StepResult:
        tenant, step = _tenant(context), self.rules.read(step_config, context.step_id)
        before = already_published(context, tenant)
        # append would add the same rows again
        if before is not None:
            context.log.info("publication.found", manifest=before["manifest_id"])
            return _result(step, before)
        opened = credentials.opened(step_config, context, self.provider)
        # labels group what is spent in the organisation's own project; a slug has no letter that a label may not have
        labels = {"service": "convergence", "org": str(tenant.org_slug)}
        with in_use(context, opened), closing(self.open(context.services.settings, opened.secret, labels)) as source:
            loading = self._loading(step, context, source)
            with inbox(context.services.warehouse.io_folder(tenant), context) as folder:
                answer = self._read(step, context, source, loading, folder)
                require_rows(loading, answer)
                return _result(step, publish(context, tenant, loading, answer))

    def _loading(self, step: EtlStep, context: StepContext, source: RemoteQueries) -> QueryLoad:
        query = RemoteQuery(*bind_sql(step.source_query, context.variables))
        template, mode, window = self.rules.templates[step.schema_template], self.rules.mode(step), _window(context)
        name = step.source_name or f"{context.document_id}/{context.step_id}"
        day = day_column(template)
        given: dict[str, Scalar] = {SOURCE: name} | ({day: window.end} if day else {})
        context.progress(doing="asking what source_query would give")
        fit = fit_result(source.columns(query), template, given)
        # rows of several days filled in as of one would lie on the wrong day, and the others of the window would be empty
        if mode == "overwrite" and day in fit.selection.given and window.start != window.end:
            raise Rejected(
                f"overwrite replaces the days of the window, and source_query does not say of which of them a row is: let it give {day}, "
                "or run a day at a time"
            )
        # two steps may write to one table: each replaces its own rows and leaves the other's
        same_source = {SOURCE: name} if SOURCE in template.columns else None
        return QueryLoad(
            destination=replace(template, name=step.destination_table),
            mode=mode,
            part=TablePart(day, window.start, window.end, same_source) if mode == "overwrite" else WHOLE_TABLE,
            window=window,
            # to append nothing changes nothing; to overwrite with nothing takes away what is there, so it has to be meant
            may_be_empty=step.empty == "allowed" or (step.empty is None and mode == "append"),
            query=query,
            fitted=fit,
            manifest_table=self.manifest_table,
            insert=self.insert,
        )

    def _read(self, step: EtlStep, context: StepContext, source: RemoteQueries, loading: QueryLoad, folder: Path) -> RemoteAnswer:
        """Whole before a publication begins: on DuckDB that is an open transaction, which others wait for."""
        context.progress(doing="running source_query")
        brought = 0

        def told(rows: int) -> None:
            nonlocal brought
            context.still_wanted()
            brought += rows
            context.progress(rows=brought, doing="reading what source_query gives")

        at_once = step.rows_per_statement or self.rules.rows_per_statement
        with room_for_files():
            return source.read(loading.query, loading.fitted.selection, folder, at_once, told)


def _tenant(context: StepContext) -> Tenant:
    if context.tenant is None:
        raise Misconfigured(f"step {context.step_id} loads an organisation's data and was run without one")
    return context.tenant


def _window(context: StepContext) -> Window:
    """A run without one is of its date."""
    start, end = (context.variables.get(name) or context.variables.get("date") for name in ("start_date", "end_date"))
    if not isinstance(start, date) or not isinstance(end, date):
        raise Misconfigured(f"step {context.step_id} was run without a date")
    return Window(start, end)


def _result(step: EtlStep, manifest: Mapping[str, Any]) -> StepResult:
    return {
        "status": "SUCCESS",
        "rows_processed": manifest["rows_written"],
        "destination_table": step.destination_table,
        "manifest_id": manifest["manifest_id"],
        "tables": manifest["tables"],
        "columns_unknown": manifest["columns_unknown"],
        "columns_absent": manifest["columns_absent"],
    }
