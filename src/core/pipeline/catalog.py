"""Every pipeline under the configs folder, found and checked when the service starts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from src.core.base.documents import Located, read_located, read_text
from src.core.base.faults import Fault, Flaw, Misconfigured, Missing, Rejected
from src.core.base.names import DOCUMENT, did_you_mean
from src.core.pipeline.checks import StepCheck
from src.core.pipeline.document import Pipeline
from src.core.pipeline.graph import Graph
from src.core.pipeline.inputs import input_flaw
from src.core.pipeline.registry import Registry
from src.core.pipeline.variables import config_flaws, declaration_flaws, fillable, kinds
from src.core.step.context import ConfigChecker

# Other YAML lies beside the pipelines (table facts, plans); this key tells them apart.
MARK = re.compile(r"""^["']?pipeline["']?\s*:""", re.MULTILINE)
FILE = "pipeline"


@dataclass(frozen=True)
class CatalogEntry:
    document_id: str
    shown: str
    document: Pipeline
    checks: tuple[StepCheck, ...] = ()
    """Of steps whose config a run's variables have a part in."""

    @cached_property
    def graph(self) -> Graph:
        return Graph.of({step.id: step.depends_on for step in self.document.steps})

    @cached_property
    def fillable(self) -> tuple[tuple[str, bool], ...]:
        """Each text of a step's config that takes variables, and whether it is SQL."""
        return tuple(found for step in self.document.steps for found in fillable(step.config))


@dataclass(frozen=True)
class Catalog:
    entries: Mapping[str, CatalogEntry]
    registry: Registry

    @classmethod
    def load(cls, configs_dir: Path, registry: Registry | None = None) -> "Catalog":
        """All pipelines, every ps_type resolved; or all that is wrong with any of them, at once."""
        registry = registry or Registry()
        if not configs_dir.is_dir():
            raise Misconfigured("the configs folder is missing; name it in CONFIGS_DIR", flaws=[Flaw("not found", file=str(configs_dir))])
        entries: dict[str, CatalogEntry] = {}
        flaws: list[Flaw] = []
        # those in .yaml too, to be refused by name: one that was passed over in silence would be looked for in vain
        for path in sorted([*configs_dir.rglob("*.yml"), *configs_dir.rglob("*.yaml")]):
            relative = path.relative_to(configs_dir)
            shown = f"{configs_dir.name}/{relative.as_posix()}"
            try:
                found = _entry(path, relative, shown, registry)
            except Misconfigured as wrong:
                flaws += wrong.flaws or [Flaw(wrong.detail, file=shown)]
                continue
            if found is not None:
                entries[found.document_id] = found
        flaws += _name_clashes(entries)
        if flaws:
            raise Misconfigured("pipelines are wrong", flaws=flaws)
        return cls(entries, registry)

    def get(self, document_id: str) -> CatalogEntry:
        found = self.entries.get(document_id) or self._aliases.get(document_id)
        if found is None:
            raise Missing(f"there is no pipeline {document_id[:120]!r}{did_you_mean(document_id, [*self.entries, *self._aliases])}")
        return found

    def look_up(self, provider: str, domain: str, pipeline: str | None = None) -> CatalogEntry:
        """An organisation's pipeline as the API's paths name it, with its name or by the only one of its domain."""
        asked = "/".join(part for part in (provider, domain, pipeline) if part)
        named = self._organisation.get(asked) or self._aliases.get(asked)
        if named is not None and named.document.scope == "organisation":
            return named
        if pipeline is not None:
            fitting = [
                entry for entry in self._of(provider, domain) if pipeline in (entry.document.pipeline, entry.document_id.split("/")[-1])
            ]
        else:
            fitting = self._of(provider, domain)
        if len(fitting) > 1:
            raise Rejected(f"{asked} has several pipelines; name one of: {', '.join(entry.document_id for entry in fitting)}")
        if not fitting:
            served = [*self._organisation, *(alias for alias, entry in self._aliases.items() if entry.document.scope == "organisation")]
            raise Missing(f"there is no pipeline {asked[:120]!r}{did_you_mean(asked, served)}")
        return fitting[0]

    def _of(self, provider: str, domain: str) -> list[CatalogEntry]:
        return [entry for entry in self._organisation.values() if (entry.document.provider, entry.document.domain) == (provider, domain)]

    @cached_property
    def _organisation(self) -> Mapping[str, CatalogEntry]:
        return {name: entry for name, entry in self.entries.items() if entry.document.scope == "organisation"}

    @cached_property
    def _aliases(self) -> Mapping[str, CatalogEntry]:
        return {alias: entry for entry in self.entries.values() for alias in entry.document.aliases}


def _entry(path: Path, relative: Path, shown: str, registry: Registry) -> CatalogEntry | None:
    marked = MARK.search(read_text(path, shown)) is not None
    # a file of that name without the key is a wrong pipeline, not another document
    if not marked and relative.stem != FILE:
        return None
    if path.suffix != ".yml":
        raise Misconfigured("a pipeline is wrong", flaws=[Flaw("a pipeline's file ends in .yml; rename it", file=shown)])
    document_id = relative.with_suffix("").as_posix().removesuffix(f"/{FILE}")
    if not DOCUMENT.fullmatch(document_id):
        raise Misconfigured("a pipeline is wrong", flaws=[Flaw("folders and files of pipelines are snake_case; rename it", file=shown)])
    located = read_located(path, Pipeline, shown)
    checks: list[StepCheck] = []
    flaws = [*_input_flaws(located), *_variable_flaws(located), *_step_flaws(located), *_processor_flaws(located, registry, checks)]
    if flaws:
        raise Misconfigured("a pipeline is wrong", flaws=flaws)
    # of the other configs nothing changes from run to run: they have been judged for good
    return CatalogEntry(document_id, shown, located.document, tuple(check for check in checks if check.depends_on_the_run))


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
    # unknown ones are told above, and a graph may not name them
    known = {step.id: [needed for needed in step.depends_on if needed in ids] for step in located.document.steps}
    cycle = Graph.of(known).cycle()
    if cycle:
        yield located.flaw(f"steps wait for each other: {' -> '.join(cycle)}", "steps", ids.index(cycle[0]), "depends_on")


def _processor_flaws(located: Located[Pipeline], registry: Registry, checks: list[StepCheck]) -> Iterator[Flaw]:
    for index, step in enumerate(located.document.steps):
        try:
            processor = registry.resolve(step.ps_type)
        except Fault as wrong:
            # a processor that reads its folder when it is built says what is wrong there
            yield from wrong.flaws or [located.flaw(wrong.detail, "steps", index, "ps_type")]
            continue
        if isinstance(processor, ConfigChecker):
            checks.append(StepCheck.of(located.document, step, processor))
            for flaw in checks[-1].as_written():
                yield located.flaw(flaw.message, "steps", index, "config", *(flaw.field.split(".") if flaw.field else ()))


def _name_clashes(entries: Mapping[str, CatalogEntry]) -> Iterator[Flaw]:
    names: dict[str, str] = {}
    for entry in entries.values():
        name = entry.document.pipeline
        if name in names:
            yield Flaw(f"the name {name!r} is taken by {names[name]}", field="pipeline", file=entry.shown)
        names.setdefault(name, entry.shown)
    taken = {name: entry.shown for name, entry in entries.items()}
    for entry in entries.values():
        for alias in entry.document.aliases:
            if alias in taken:
                yield Flaw(f"the alias {alias!r} is taken by {taken[alias]}", field="aliases", file=entry.shown)
            taken[alias] = entry.shown
