"""The `config` of a step that runs a query at the source."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import Field, field_validator

from src.core.base.faults import Flaw, Misconfigured, Rejected
from src.core.base.names import did_you_mean, identifier, provider_table_flaw
from src.core.base.schema import TableSchema
from src.core.step.context import StepConfig, StepPlace
from src.core.step.credentials import CredentialConfig
from src.core.step.etl.protected_tables import table_flaw
from src.core.step.etl.query import query_flaws
from src.core.step.source.config import rival_flaws

WriteMode: TypeAlias = Literal["append", "overwrite", "truncate"]


class EtlStep(CredentialConfig):
    source_query: str
    destination_table: str
    schema_template: str = "default"
    write_mode: WriteMode | None = None
    source_name: str | None = Field(default=None, min_length=1, max_length=300)
    empty: Literal["allowed", "refused"] | None = None
    rows_per_statement: int | None = Field(default=None, ge=1)

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
        """Judged once more: what it may not write to, no path past the catalogue may write to either."""
        flaws = [*self.config_flaws(config)]
        if flaws:
            raise Misconfigured(f"the config of step {step_id} is wrong: {flaws[0]}", flaws=flaws)
        return EtlStep.model_validate(config)

    def config_flaws(self, config: StepConfig) -> Iterator[Flaw]:
        """Beside what the model says."""
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
    if place.scope != "organisation":
        yield Flaw("an organisation's credential is needed; give the pipeline `scope: organisation`")
    table = config.get("destination_table")
    # an x_ before it says that it is no report of the provider
    flaw = provider_table_flaw(table.removeprefix("x_"), place.provider) if isinstance(table, str) and place.provider else None
    if flaw:
        yield Flaw(flaw, "destination_table")
    yield from rival_flaws(config, place)


def day_column(template: TableSchema) -> str | None:
    """The column whose days are replaced."""
    name = template.partition.field if template.partition else None
    return next((column.name for column in template.fields if column.name == name and column.type == "DATE"), None)
