"""What processors say about the configs of their steps before any run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from src.core.base.faults import Flaw, Rejected
from src.core.pipeline.document import Pipeline, Step
from src.core.pipeline.variables import fill_config, fillable
from src.core.step.context import ConfigChecker, StepPlace
from src.core.step.placeholders import SQL_KEY, Variables, is_plain


@dataclass(frozen=True, slots=True)
class StepCheck:
    step: Step
    processor: ConfigChecker
    place: StepPlace

    @classmethod
    def of(cls, document: Pipeline, step: Step, processor: ConfigChecker) -> "StepCheck":
        return cls(step, processor, StepPlace(step.id, document.scope, {one.id: one.ps_type for one in document.steps}))

    @property
    def depends_on_the_run(self) -> bool:
        """SQL does not: its values are bound, and never read as text."""
        return any(not sql for _, sql in fillable(self.step.config))

    def as_written(self) -> list[Flaw]:
        """Of a text with variables nothing can be said yet."""
        return [flaw for flaw in self.processor.check(self.step.config, self.place) if not _is_open(self.step.config, flaw.field)]

    def require(self, variables: Variables) -> None:
        flaws = self.processor.check(fill_config(self.step.config, variables), self.place)
        if flaws:
            told = [replace(flaw, field=".".join(part for part in (self.step.id, flaw.field) if part)) for flaw in flaws]
            raise Rejected(f"the variables of this run do not fit: {told[0]}", flaws=told)


def _is_open(config: Mapping[str, Any], field: str | None) -> bool:
    value: Any = config
    parts = field.split(".") if field else []
    for part in parts:
        value = value.get(part) if isinstance(value, Mapping) else None
    return isinstance(value, str) and not is_plain(value) and not (parts and SQL_KEY.fullmatch(parts[-1]))
