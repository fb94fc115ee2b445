"""From a `ps_type` to its processor: a pattern, a fixed prefix, `get_engine()` and a look at what it gives."""

import importlib
import inspect
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from src.core.base.discovery import root_of
from src.core.base.documents import Document
from src.core.base.faults import Misconfigured
from src.core.base.names import PS_TYPE, did_you_mean
from src.core.pipeline.checks import models_of
from src.core.step.context import Processor

PREFIX = "src.core.processors"
ENDING = "_processor"
# looked for in the text, so that to list what there is imports none of it
FACTORY = re.compile(r"^(def get_engine\b|get_engine\s*[:=]|from \S+ import .*\bget_engine\b)", re.MULTILINE)


@dataclass(frozen=True)
class Registry:
    prefix: str = PREFIX

    def resolve(self, ps_type: str) -> Processor:
        """A new processor of this type; what keeps it from being one is said."""
        module = self._module(ps_type)
        factory = vars(module).get("get_engine")
        if not callable(factory):
            raise Misconfigured(f"{self._file(ps_type)} has no `get_engine()`; add one that answers the processor of {ps_type}")
        engine = factory()
        if not isinstance(engine, Processor) or not inspect.iscoroutinefunction(engine.execute):
            raise Misconfigured(
                f"`get_engine()` of {self._file(ps_type)} answers {type(engine).__name__}, "
                "which has no `async def execute(self, step_config, context)`"
            )
        models: tuple[object, ...] = models_of(engine)
        if not all(isinstance(model, type) and issubclass(model, Document) for model in models):
            raise Misconfigured(f"`config_model` of {self._file(ps_type)} is no model; make it a Document, or several joined by `|`")
        return engine

    @cached_property
    def known(self) -> tuple[str, ...]:
        """Every ps_type that has a file with a `get_engine`."""
        return tuple(sorted(ps_type for ps_type, path in self._files.items() if FACTORY.search(path.read_text(encoding="utf-8"))))

    @cached_property
    def _root(self) -> Path:
        return root_of(self.prefix)

    @cached_property
    def _files(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path in sorted(self._root.rglob("*.py")):
            dotted = ".".join(path.relative_to(self._root).with_suffix("").parts)
            if path.stem.startswith("_"):
                continue
            if dotted.endswith(ENDING):
                # the file without the ending wins, whichever of the two is met first
                found.setdefault(dotted.removesuffix(ENDING), path)
            else:
                found[dotted] = path
        return found

    def _module(self, ps_type: str) -> ModuleType:
        if not PS_TYPE.fullmatch(ps_type):
            raise Misconfigured(f"{ps_type[:90]!r} is not a ps_type: dotted snake_case, for example gcp.bq_etl")
        path = self._files.get(ps_type)
        if path is None:
            hint = did_you_mean(ps_type, self.known)
            listed = ", ".join(self.known) or "none"
            raise Misconfigured(f"no processor for {ps_type!r}{hint}; create {self._file(ps_type)}, or use one of: {listed}")
        name = ".".join((self.prefix, *path.relative_to(self._root).with_suffix("").parts))
        try:
            return importlib.import_module(name)
        except (ImportError, SyntaxError) as wrong:
            raise Misconfigured(f"{self._file(ps_type)} cannot be imported: {wrong}") from wrong

    def _file(self, ps_type: str) -> str:
        path = self._files.get(ps_type)
        inside = path.relative_to(self._root).as_posix() if path else f"{ps_type.replace('.', '/')}.py"
        return f"{self.prefix.replace('.', '/')}/{inside}"
