"""What is wrong with the configs of steps, by the models of their processors and by what processors say beside them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from src.core.base.documents import UNKNOWN_KEY, Document, Misfit, Place, dotted, misfits
from src.core.base.faults import Flaw, Rejected
from src.core.pipeline.document import Pipeline, Step
from src.core.pipeline.variables import fill_config, fillable, kinds
from src.core.step.context import ConfigChecker, Configured, CredentialOpener, Processor, StepPlace
from src.core.step.credentials import Needed, name_in
from src.core.step.placeholders import SQL_KEY, Variables, is_plain


def models_of(processor: Processor) -> tuple[type[Document], ...]:
    if not isinstance(processor, Configured):
        return ()
    return get_args(processor.config_model) or (processor.config_model,)


@dataclass(frozen=True, slots=True)
class Wrong:
    at: Place
    message: str
    whatever_it_says: bool = False
    """Whether no text would do there: of one with variables nothing else can be said yet."""
    line_of_text: int | None = None


@dataclass(frozen=True, slots=True)
class StepCheck:
    step: Step
    processor: Processor
    place: StepPlace

    @classmethod
    def of(cls, document: Pipeline, step: Step, processor: Processor, after: frozenset[str]) -> "StepCheck":
        steps = {one.id: one.ps_type for one in document.steps}
        configs = {one.id: one.config for one in document.steps}
        return cls(step, processor, StepPlace(step.id, document.scope, steps, after, configs, document.provider, kinds(document)))

    @property
    def depends_on_the_run(self) -> bool:
        """SQL does not: its values are bound, and never read as text."""
        return any(not sql for _, sql in fillable(self.step.config))

    def as_written(self) -> list[Wrong]:
        return [wrong for wrong in self._wrong(self.step.config) if wrong.whatever_it_says or not _is_open(self.step.config, wrong.at)]

    def require(self, variables: Variables) -> None:
        filled = fill_config(self.step.config, variables)
        told = [Flaw(wrong.message, dotted((self.step.id, *wrong.at))) for wrong in self._wrong(filled)]
        if told:
            raise Rejected(f"the variables of this run do not fit: {told[0]}", flaws=told)

    def _wrong(self, config: Mapping[str, Any]) -> Iterator[Wrong]:
        models = models_of(self.processor)
        if not models:
            yield from (Wrong((key,), f"unknown key {key!r}; this processor takes no config", whatever_it_says=True) for key in config)
            return
        model = next((one for one in models if _needed(one) <= {*config}), models[-1])
        for found in misfits(config, model, self.place):
            yield Wrong(found.at, _elsewhere(found, model, models) or found.message, whatever_it_says=found.of_any_text)
        if isinstance(self.processor, ConfigChecker):
            for flaw in self.processor.check(config, self.place):
                yield Wrong(tuple(flaw.field.split(".")) if flaw.field else (), flaw.message, line_of_text=flaw.line)


@dataclass(frozen=True, slots=True)
class StepCredential:
    """Of a step that opens one."""

    step: Step
    processor: CredentialOpener

    def needed(self, variables: Variables, inputs: Mapping[str, Any]) -> Needed | None:
        config = fill_config(self.step.config, variables)
        provider = self.processor.opens(config)
        return None if provider is None else Needed(provider, name_in(config, inputs))


def _needed(model: type[Document]) -> set[str]:
    return {name for name, info in model.model_fields.items() if info.is_required()}


def _elsewhere(found: Misfit, model: type[Document], models: tuple[type[Document], ...]) -> str | None:
    """Of a key that another model of the processor has: by which keys the two are told apart."""
    if found.kind != UNKNOWN_KEY or len(found.at) > 1:
        return None
    other = next((one for one in models if found.at[0] in one.model_fields), None)
    if other is None:
        return None
    needed = sorted(_needed(other) - {*model.model_fields})
    return f"belongs to steps with `{needed[0]}`" if needed else f"belongs to steps without `{min(_needed(model) - {*other.model_fields})}`"


def _is_open(config: Mapping[str, Any], at: Place) -> bool:
    value: Any = config
    for part in at:
        inside = dict(enumerate(value)) if isinstance(value, list) else value
        value = inside.get(part) if isinstance(inside, Mapping) else None
    return isinstance(value, str) and not is_plain(value) and not (at and SQL_KEY.fullmatch(str(at[-1])))
