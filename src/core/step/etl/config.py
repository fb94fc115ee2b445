"""The `config` of a step that runs a query at the source."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import Field, ValidationError, field_validator

from src.core.base.documents import Document
from src.core.base.faults import Flaw, Misconfigured, Rejected
from src.core.base.names import did_you_mean, identifier
from src.core.base.schema import TableSchema
from src.core.step.context import StepConfig, StepPlace
from src.core.step.etl.protected_tables import table_flaw
from src.core.step.etl.query import query_flaws

WriteMode: TypeAlias = Literal["append", "overwrite", "truncate"]
WITH_BOOKS = frozenset({"source_tables", "late_days", "reload", "stage", "staged_by"})


class EtlStep(Document):
    source_query: str
    destination_table: str
    schema_template: str = "default"
    write_mode: WriteMode | None = None
    source_name: str | None = Field(default=None, min_length=1, max_length=300)
    empty: Literal["allowed", "refused"] | None = None
    rows_per_statement: int | None = Field(default=None, ge=1)
    credential_name: str | None = None
    credential_from: str | None = None

    @field_validator("destination_table")
    @classmethod
    def _name(cls, value: str) -> str:
        try:
            return identifier(value)
        except Rejected as wrong:
            raise ValueError(wrong.detail) from None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a step may name, and what stands where it says nothing."""

    templates: Mapping[str, TableSchema]
    kept: Mapping[str, str]
    write_mode: WriteMode
    rows_per_statement: int

    def mode(self, step: EtlStep) -> WriteMode:
        return step.write_mode or self.write_mode

    def read(self, config: StepConfig, step_id: str) -> EtlStep:
        flaws = [*self.config_flaws(config)]
        if flaws:
            raise Misconfigured(f"the config of step {step_id} is wrong: {flaws[0]}", flaws=flaws)
        return EtlStep.model_validate(config)

    def config_flaws(self, config: StepConfig) -> Iterator[Flaw]:
        try:
            EtlStep.model_validate(config)
        except ValidationError as wrong:
            yield from (_flaw(dict(error)) for error in wrong.errors(include_url=False))
        if "source_query" in config:
            yield from (Flaw(flaw, "source_query") for flaw in query_flaws(str(config["source_query"])))
        kept = table_flaw(str(config.get("destination_table", "")), self.kept)
        if kept:
            yield Flaw(kept, "destination_table")
        yield from self._template_flaws(str(config.get("schema_template", "default")), config.get("write_mode") or self.write_mode)

    def _template_flaws(self, name: str, mode: object) -> Iterator[Flaw]:
        template = self.templates.get(name)
        if template is None:
            hint = did_you_mean(name, self.templates) or f"; known are {', '.join(self.templates)}"
            yield Flaw(f"there is no schema template {name!r}{hint}", "schema_template")
        elif mode == "overwrite" and day_column(template) is None:
            told = f"overwrite replaces days, and the template {name!r} is not partitioned by a DATE; truncate or append"
            yield Flaw(told, "write_mode")


def place_flaws(config: StepConfig, place: StepPlace) -> Iterator[Flaw]:
    """What is wrong with the step where it stands."""
    others = {name: ps_type for name, ps_type in place.steps.items() if name != place.step_id}
    if place.scope != "organisation":
        yield Flaw("an organisation's credential is needed; give the pipeline `scope: organisation`")
    source = config.get("credential_from")
    if source is not None and source not in others:
        yield Flaw(f"there is no step {source!r}{did_you_mean(str(source), others)}", "credential_from")
    # a cancelled or lost run is held by its document's fence, which takes one publication of a run
    rival = next((name for name, ps_type in others.items() if ps_type == place.steps[place.step_id]), None)
    # fences and manifests are by document, so the second would be taken for the first tried again
    if rival is not None:
        yield Flaw(f"a document publishes once a run, and step {rival} publishes too; give this one a document of its own")


def day_column(template: TableSchema) -> str | None:
    """The column whose days are replaced."""
    name = template.partition.field if template.partition else None
    return next((column.name for column in template.fields if column.name == name and column.type == "DATE"), None)


def _flaw(error: Mapping[str, object]) -> Flaw:
    at = error["loc"]
    name = str(at[0]) if isinstance(at, tuple) and at else None
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = did_you_mean(str(name), EtlStep.model_fields) or f"; known here: {', '.join(EtlStep.model_fields)}"
        message = "belongs to steps with `books`" if name in WITH_BOOKS else f"unknown key {name!r}{known}"
    elif error["type"] == "missing":
        message = f"the key {name!r} is needed here"
    return Flaw(message, name)
