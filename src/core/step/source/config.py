"""The `config` of a step that loads slices of sources, and what is wrong with one."""

from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from src.core.base.documents import Document
from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import did_you_mean
from src.core.step.context import StepConfig, StepContext, StepPlace

ASKED = ("late_days", "reload")  # inputs of a run that stand above the step's config


class SourceStep(Document):
    """The `config` of a step."""

    books: str
    source_query: str | None = None
    destination_table: str | None = None
    schema_template: str | None = None
    write_mode: Literal["overwrite"] | None = None
    source_tables: tuple[str, ...] = ()
    credential_name: str | None = None
    credential_from: str | None = None
    late_days: int | None = Field(default=None, ge=0, le=120)
    reload: bool = False
    rows_per_statement: int | None = Field(default=None, ge=1)
    stage: bool = False
    staged_by: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.staged_by) == bool(self.destination_table):
            raise ValueError("name the `destination_table` of what is read, or the steps it was `staged_by`")
        if self.staged_by and (self.stage or self.source_query):
            raise ValueError("a step that publishes what others have staged takes neither `stage` nor `source_query`")
        if self.staged_by and (self.late_days is not None or self.reload):
            raise ValueError("how far is read, and what again, is said by the steps that stage")
        return self


def read_step(config: StepConfig, context: StepContext) -> SourceStep:
    try:
        # a run's inputs are for its steps that read; the step that publishes what those staged takes neither
        asked = {name: context.inputs[name] for name in ASKED if context.inputs.get(name) is not None and not config.get("staged_by")}
        return SourceStep.model_validate({**config, **asked})
    except ValidationError as wrong:
        raise Misconfigured(f"the config of step {context.step_id} is wrong", flaws=_flaws(wrong)) from None


def step_flaws(config: StepConfig, place: StepPlace) -> list[Flaw]:
    """Of the config by itself, and where the step stands."""
    flaws: list[Flaw] = []
    try:
        SourceStep.model_validate(config)
    except ValidationError as wrong:
        flaws = _flaws(wrong)
    if place.scope != "organisation":
        flaws.append(Flaw("an organisation's sources are read; give the pipeline `scope: organisation`"))
    # a step that comes later has staged nothing by then
    earlier = list(place.steps)[: list(place.steps).index(place.step_id)]
    for name in config.get("staged_by") or ():
        if name not in earlier:
            flaws.append(Flaw(f"there is no earlier step {name!r}{did_you_mean(str(name), earlier)}", "staged_by"))
    return flaws


def _flaws(wrong: ValidationError) -> list[Flaw]:
    found = []
    for error in wrong.errors(include_url=False):
        place = ".".join(str(part) for part in error["loc"])
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            message = f"unknown key{did_you_mean(place, SourceStep.model_fields) or '; known here: ' + ', '.join(SourceStep.model_fields)}"
        found.append(Flaw(message, place or None))
    return found
