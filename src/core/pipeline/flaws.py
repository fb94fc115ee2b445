"""All that is wrong with one document, each with its line, and with the SQL that lies beside the documents."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from src.core.base.documents import Located, read_text
from src.core.base.faults import Fault, Flaw, Misconfigured
from src.core.base.names import did_you_mean
from src.core.engine import sql_flaws
from src.core.pipeline.checks import StepCheck, StepCredential
from src.core.pipeline.document import Pipeline
from src.core.pipeline.graph import Graph
from src.core.pipeline.inputs import input_flaw
from src.core.pipeline.variables import config_flaws, declaration_flaws, kinds, sql_texts
from src.core.step.context import CredentialOpener, Processor
from src.core.step.placeholders import stand_in

# what the API's routes ask; no step does
NO_STEPS = frozenset({"costs", "runs"})
PUT_IN = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Judged:
    flaws: tuple[Flaw, ...]
    checks: tuple[StepCheck, ...]
    """To be asked again with each run. Of the other configs nothing changes: they have been judged for good."""
    credentials: tuple[StepCredential, ...]

    @classmethod
    def of(cls, located: Located[Pipeline], resolve: Callable[[str], Processor]) -> "Judged":
        checks: list[StepCheck] = []
        flaws = [
            *_input_flaws(located),
            *_variable_flaws(located),
            *_step_flaws(located),
            *_processor_flaws(located, resolve, checks),
            *_sql_flaws(located),
        ]
        # a step that comes after a failure alone keeps no run from beginning
        opening = [(one.step, one.processor) for one in checks if one.step.when != "on_failure"]
        return cls(
            tuple(flaws),
            tuple(check for check in checks if check.depends_on_the_run),
            tuple(StepCredential(step, processor) for step, processor in opening if isinstance(processor, CredentialOpener)),
        )


def file_flaws(configs: Path) -> Iterator[Flaw]:
    """Of the SQL that steps read from files. A name in braces stands for a table, a column, or a query within brackets."""
    for path in sorted(configs.rglob("*.sql")):
        relative = path.relative_to(configs)
        if relative.parts[0] not in NO_STEPS:
            shown = f"{configs.name}/{relative.as_posix()}"
            try:
                text = PUT_IN.sub(r"`\1`", read_text(path, shown))
            except Misconfigured as wrong:
                yield from wrong.flaws
                continue
            yield from (Flaw(flaw.message, file=shown, line=flaw.line or 1) for flaw in sql_flaws(text, ours=True))


def _input_flaws(located: Located[Pipeline]) -> Iterator[Flaw]:
    for name, spec in located.document.inputs.items():
        given = [("default", spec.default)] if spec.default is not None else []
        for key, value in given:
            wrong = input_flaw(spec, value)
            if wrong:
                yield located.flaw(f"the default {wrong}", "inputs", name, key)


def _variable_flaws(located: Located[Pipeline]) -> Iterator[Flaw]:
    for place, flaw in declaration_flaws(located.document):
        yield located.flaw(flaw, *place)
    known = kinds(located.document)
    for index, step in enumerate(located.document.steps):
        for place, flaw in config_flaws(step.config, known):
            yield located.flaw(flaw, "steps", index, "config", *place)


def _step_flaws(located: Located[Pipeline]) -> Iterator[Flaw]:
    ids = [step.id for step in located.document.steps]
    for index, step in enumerate(located.document.steps):
        if step.id in ids[:index]:
            yield located.flaw(f"the step id {step.id!r} stands twice", "steps", index, "id")
        for place, needed in enumerate(step.depends_on):
            if needed not in ids:
                hint = did_you_mean(needed, ids) or f"; steps here: {', '.join(ids)}"
                yield located.flaw(f"there is no step {needed!r}{hint}", "steps", index, "depends_on", place)
    cycle = _known(located.document).cycle()
    if cycle:
        yield located.flaw(f"steps wait for each other: {' -> '.join(cycle)}", "steps", ids.index(cycle[0]), "depends_on")


def _known(document: Pipeline) -> Graph:
    """Without the steps that are not there, which a graph may not name."""
    ids = {step.id for step in document.steps}
    return Graph.of({step.id: [needed for needed in step.depends_on if needed in ids] for step in document.steps})


def _processor_flaws(located: Located[Pipeline], resolve: Callable[[str], Processor], checks: list[StepCheck]) -> Iterator[Flaw]:
    document = located.document
    above = _known(document).ancestors
    for index, step in enumerate(document.steps):
        try:
            processor = resolve(step.ps_type)
        except Fault as wrong:
            # a processor that reads its folder when it is built says what is wrong there
            yield from wrong.flaws or [located.flaw(wrong.detail, "steps", index, "ps_type")]
            continue
        # of a step that waits for itself nobody can say what comes before it
        checks.append(StepCheck.of(document, step, processor, above.get(step.id, frozenset(one.id for one in document.steps))))
        for one in checks[-1].as_written():
            yield located.flaw(one.message, "steps", index, "config", *one.at, line_of_text=one.line_of_text)


def _sql_flaws(located: Located[Pipeline]) -> Iterator[Flaw]:
    known = kinds(located.document)
    for index, step in enumerate(located.document.steps):
        for place, text in sql_texts(step.config):
            bound = stand_in(text, known)
            # what keeps it from being bound is told with the variables
            for flaw in sql_flaws(bound) if bound is not None else ():
                yield located.flaw(flaw.message, "steps", index, "config", *place, line_of_text=flaw.line)
