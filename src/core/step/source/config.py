"""The `config` of a step that loads slices of sources, and what is wrong with one."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from src.core.base.faults import Flaw, Misconfigured
from src.core.engine import sql_flaws
from src.core.step.books.rules import INCOMING
from src.core.step.context import EarlierStep, StepConfig, StepContext, StepPlace
from src.core.step.credentials import CredentialConfig
from src.core.step.placeholders import Kind, given_names, stand_in

# what a query of a step with books reads, and what it is given beside the document's variables
READ = frozenset({INCOMING})
GIVEN = frozenset({"source", "source_slice", "slices", "first", "last"})
ASKED = ("late_days", "reload")  # inputs of a run that stand above the step's config


class SourceStep(CredentialConfig):
    """The `config` of a step."""

    books: str = Field(min_length=1)
    source_query: str | None = None
    destination_table: str | None = None
    schema_template: str | None = None
    write_mode: Literal["overwrite"] | None = None
    source_tables: tuple[str, ...] = ()
    late_days: int | None = Field(default=None, ge=0, le=120)
    reload: bool = False
    rows_per_statement: int | None = Field(default=None, ge=1)
    stage: bool = False
    staged_by: tuple[EarlierStep, ...] = ()
    reprice: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.reprice and (self.staged_by or self.destination_table or self.stage or self.source_query or self.reload):
            raise ValueError("a step that prices anew reads nothing; beside `reprice` and `books` it takes no more")
        if not self.reprice and bool(self.staged_by) == bool(self.destination_table):
            raise ValueError("name the `destination_table` of what is read, or the steps it was `staged_by`")
        if self.staged_by and (self.stage or self.source_query):
            raise ValueError("a step that publishes what others have staged takes neither `stage` nor `source_query`")
        if self.staged_by and (self.late_days is not None or self.reload):
            raise ValueError("how far is read, and what again, is said by the steps that stage")
        return self


def read_step(config: StepConfig, context: StepContext) -> SourceStep:
    try:
        # a run's inputs are for its steps that read; the step that publishes what those staged takes neither
        asked = {name: context.inputs[name] for name in ASKED if context.inputs.get(name) is not None and not _reads_nothing(config)}
        return SourceStep.model_validate({**config, **asked})
    except ValidationError as wrong:
        flaws = [Flaw(str(error["msg"]), ".".join(map(str, error["loc"])) or None) for error in wrong.errors(include_url=False)]
        raise Misconfigured(f"the config of step {context.step_id} is wrong", flaws=flaws) from None


def _reads_nothing(config: StepConfig) -> bool:
    return bool(config.get("staged_by") or config.get("reprice"))


def place_flaws(config: StepConfig, place: StepPlace) -> list[Flaw]:
    """What is wrong with the step where it stands."""
    flaws: list[Flaw] = []
    if place.scope != "organisation":
        flaws.append(Flaw("an organisation's sources are read; give the pipeline `scope: organisation`"))
    flaws += rival_flaws(config, place)
    named = config.get("staged_by")
    for name in named if isinstance(named, list) else ():
        if isinstance(name, str) and name in place.after and not place.configs.get(name, {}).get("stage"):
            flaws.append(Flaw(f"step {name!r} stages nothing; give its config `stage: true`", "staged_by"))
    return flaws


def rival_flaws(config: StepConfig, place: StepPlace) -> Iterator[Flaw]:
    """A cancelled or lost run is held by its document's fence, which takes one publication of a run."""
    others = (name for name, ps_type in place.steps.items() if name != place.step_id and ps_type == place.steps[place.step_id])
    rival = next((name for name in others if not place.configs.get(name, {}).get("stage")), None)
    if rival is not None and not config.get("stage"):
        yield Flaw(f"a document publishes once a run, and step {rival} publishes too; give this one a document of its own")


def read_query_flaws(query: object, place: StepPlace) -> tuple[Flaw, ...]:
    """Of the SQL that is asked of what was staged; it runs in the organisation's own warehouse."""
    return _query_flaws(query, frozenset(place.kinds.items())) if isinstance(query, str) else ()


@lru_cache(maxsize=256)  # the same text comes again with every run that is accepted
def _query_flaws(query: str, kinds: frozenset[tuple[str, Kind]]) -> tuple[Flaw, ...]:
    bound = stand_in(query, dict(kinds))
    # what keeps it from being bound is told with the document's variables
    if bound is None:
        return ()
    unbound = (f"nothing gives it @{name}; write {{name}} for a variable of the document" for name in sorted(given_names(query) - GIVEN))
    return (*(replace(flaw, field="source_query") for flaw in sql_flaws(bound, READ)), *(Flaw(told, "source_query") for told in unbound))
