"""Every pipeline under the configs folder, found and checked when the service starts."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from src.core.base.documents import Located, Place, locate_document, read_text
from src.core.base.faults import Flaw, Misconfigured, Missing, Rejected
from src.core.base.names import DOCUMENT, did_you_mean
from src.core.pipeline.checks import StepCheck, StepCredential
from src.core.pipeline.document import Pipeline
from src.core.pipeline.flaws import Judged, file_flaws
from src.core.pipeline.graph import Graph
from src.core.pipeline.registry import Registry
from src.core.pipeline.variables import fillable

# YAML of these names, and in this folder, is read by whoever it is for. Any other is a pipeline, also when somebody emptied it.
OTHERS = frozenset({"config", "books"})
SYSTEM = "system"
MARK = re.compile(r"""^["']?pipeline["']?\s*:""", re.MULTILINE)
FILE = "pipeline"
SHORT = "short path"


@dataclass(frozen=True)
class CatalogEntry:
    document_id: str
    shown: str
    document: Pipeline
    checks: tuple[StepCheck, ...] = ()
    """Of steps whose config a run's variables have a part in."""
    credentials: tuple[StepCredential, ...] = ()
    """Of steps that open one, whatever becomes of the run."""

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
        found: list[_ReadEntry] = []
        flaws: list[Flaw] = []
        resolve = cache(registry.resolve)
        # those in .yaml too, to be refused by name: one that was passed over in silence would be looked for in vain
        for path in sorted([*configs_dir.rglob("*.yml"), *configs_dir.rglob("*.yaml")]):
            relative = path.relative_to(configs_dir)
            shown = f"{configs_dir.name}/{relative.as_posix()}"
            try:
                read = _read(path, relative, shown)
            except Misconfigured as wrong:
                flaws += wrong.flaws or [Flaw(wrong.detail, file=shown)]
                continue
            if read is not None:
                judged = Judged.of(read.located, resolve)
                flaws += judged.flaws
                found.append(read.judged(judged))
        flaws += [*_clashes(found), *file_flaws(configs_dir)]
        if flaws:
            # a processor that cannot be made says the same of each of its steps
            raise Misconfigured("pipelines are wrong", flaws=tuple(dict.fromkeys(flaws)))
        return cls({one.entry.document_id: one.entry for one in found}, registry)

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
            # as the paths of runs take them: by provider and domain too
            served += {"/".join(one.split("/")[:2]) for one in self._organisation}
            mend = did_you_mean(asked, served) or f"; there is {', '.join(sorted(self._organisation))}"
            raise Missing(f"there is no pipeline {asked[:120]!r}{mend}")
        return fitting[0]

    def _of(self, provider: str, domain: str) -> list[CatalogEntry]:
        return [entry for entry in self._organisation.values() if (entry.document.provider, entry.document.domain) == (provider, domain)]

    @cached_property
    def _organisation(self) -> Mapping[str, CatalogEntry]:
        return {name: entry for name, entry in self.entries.items() if entry.document.scope == "organisation"}

    @cached_property
    def _aliases(self) -> Mapping[str, CatalogEntry]:
        return {alias: entry for entry in self.entries.values() for alias in entry.document.aliases}


@dataclass(frozen=True, slots=True)
class _ReadEntry:
    entry: CatalogEntry
    located: Located[Pipeline]

    def judged(self, judged: Judged) -> "_ReadEntry":
        return replace(self, entry=replace(self.entry, checks=judged.checks, credentials=judged.credentials))

    @property
    def paths(self) -> Iterator[tuple[str, str, Place]]:
        """What it is asked for by: which kind of name, the name, and where the document says so."""
        document, document_id = self.entry.document, self.entry.document_id
        yield "id", document_id, ("pipeline",)
        yield from (("alias", alias, ("aliases", index)) for index, alias in enumerate(document.aliases))
        if document.scope == "organisation":
            yield SHORT, f"{document.provider}/{document.domain}/{document_id.rpartition('/')[2]}", ("domain",)


def _read(path: Path, relative: Path, shown: str) -> _ReadEntry | None:
    """None of a file that is no pipeline and need not be one."""
    text = read_text(path, shown)
    if (relative.stem in OTHERS or relative.parts[0] == SYSTEM) and not MARK.search(text):
        return None
    if path.suffix != ".yml":
        raise Misconfigured("a pipeline is wrong", flaws=[Flaw("a pipeline's file ends in .yml; rename it", file=shown)])
    document_id = relative.with_suffix("").as_posix().removesuffix(f"/{FILE}")
    if not DOCUMENT.fullmatch(document_id):
        raise Misconfigured("a pipeline is wrong", flaws=[Flaw("folders and files of pipelines are snake_case; rename it", file=shown)])
    # one that somebody emptied would else take its pipeline away without a word
    if all(not line.strip() or line.lstrip().startswith(("#", "---")) for line in text.splitlines()):
        raise Misconfigured("a pipeline is wrong", flaws=[Flaw("is empty; write its pipeline, or delete the file", file=shown, line=1)])
    located = locate_document(text, Pipeline, shown)
    return _ReadEntry(CatalogEntry(document_id, shown, located.document), located)


def _clashes(found: Sequence[_ReadEntry]) -> Iterator[Flaw]:
    """Told of whichever comes second, with the place of the first."""
    yield from _taken(("name", one.entry.document.pipeline, ("pipeline",), one) for one in found)
    paths = [(kind, name, at, one) for one in found for kind, name, at in one.paths]
    # a name that is written down is told of before one that follows from where a file lies
    yield from _taken(sorted(paths, key=lambda path: ("id", "alias", SHORT).index(path[0])))


def _taken(names: Iterable[tuple[str, str, Place, _ReadEntry]]) -> Iterator[Flaw]:
    taken: dict[str, tuple[_ReadEntry, str]] = {}
    for kind, name, at, one in names:
        other, where = taken.setdefault(name, (one, one.located.where(*at)))
        # two files of one id have all that follows from it in common
        if other is not one and not (kind == SHORT and other.entry.document_id == one.entry.document_id):
            yield one.located.flaw(f"the {kind} {name!r} is taken by {where}; choose another", *at)
