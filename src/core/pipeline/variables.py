"""Where a run's variables come from, and the step configs they are written into."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from src.core.base.faults import Fault, Flaw, Rejected
from src.core.base.identity import Tenant
from src.core.base.names import Environment
from src.core.base.window import Window
from src.core.pipeline.document import Pipeline
from src.core.step.placeholders import SQL_KEY, Identifier, Kind, Value, Variables, bind_sql, fill, is_plain, sql_flaws, text_flaws

BUILT_IN: Mapping[str, str] = {
    "org_slug": "the organisation",
    "env": "dev, stage or prod",
    "date": "the last day of the window, or today (UTC) when the run has none",
    "start_date": "the first day of the window",
    "end_date": "the last day of the window",
    "run_id": "the run's pipeline_logging_id",
    "dataset": "the organisation's dataset",
}
Place = tuple[str | int, ...]


def input_kinds(document: Pipeline) -> dict[str, Kind]:
    """What a declared variable may be made of."""
    kinds: dict[str, Kind] = dict.fromkeys(BUILT_IN, "value")
    kinds.update({name: "value" for name, spec in document.inputs.items() if spec.type != "object"})
    return kinds


def kinds(document: Pipeline) -> dict[str, Kind]:
    return input_kinds(document) | {name: declared.kind for name, declared in document.variables.items()}


def settle(
    document: Pipeline,
    *,
    run_id: str,
    environment: Environment,
    today: date,
    tenant: Tenant | None,
    window: Window | None,
    inputs: Mapping[str, Any],
) -> dict[str, Value]:
    """The value of every variable of one run; None for what this run does not have."""
    values: dict[str, Value] = {
        "org_slug": tenant.org_slug if tenant else None,
        "env": environment.suffix,
        "date": window.end if window else today,
        "start_date": window.start if window else None,
        "end_date": window.end if window else None,
        "run_id": run_id,
        "dataset": tenant.dataset if tenant else None,
    }
    for name, spec in document.inputs.items():
        given = inputs.get(name)
        # a Secret is none of these: it reaches its processor as an input, and is written into no text
        if spec.type != "object" and (given is None or isinstance(given, str | int | float | bool | date)):
            values[name] = given
    for name, declared in document.variables.items():
        values[name] = _declared(name, declared.value, declared.kind, values)
    return values


def _declared(name: str, value: Value, kind: Kind, known: Variables) -> Value:
    if not isinstance(value, str):
        return value
    try:
        text = fill(value, known)
        return Identifier(text) if kind == "identifier" else text
    except Rejected as wrong:
        raise Rejected(f"the variable {name} cannot be made", flaws=[Flaw(wrong.detail, field=name)]) from wrong


def fill_config(config: Mapping[str, Any], variables: Variables) -> dict[str, Any]:
    """A fresh copy with variables written out. SQL stays as it is: the processor binds it with `bind_sql`."""
    return {key: _copy(value, variables, sql=_is_sql(key)) for key, value in config.items()}


def fillable(config: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """The texts of a config that `fill_config` may fail at, and whether each is SQL."""
    return ((text, sql) for _, text, sql in _texts(config, (), sql=False) if not is_plain(text))


def sql_texts(config: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    return ((place, text) for place, text, sql in _texts(config, (), sql=False) if sql)


def written(text: str, variables: Variables, *, sql: bool) -> str:
    if sql:
        bind_sql(text, variables)
        return text
    return fill(text, variables)


def _copy(value: Any, variables: Variables, *, sql: bool) -> Any:
    if isinstance(value, str):
        return written(value, variables, sql=sql)
    if isinstance(value, Mapping):
        return {key: _copy(inner, variables, sql=_is_sql(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copy(inner, variables, sql=sql) for inner in value]
    return value


def config_flaws(config: Mapping[str, Any], known: Mapping[str, Kind]) -> Iterator[tuple[Place, str]]:
    for place, text, sql in _texts(config, (), sql=False):
        for flaw in sql_flaws(text, known) if sql else text_flaws(text, known):
            yield place, flaw


def declaration_flaws(document: Pipeline) -> Iterator[tuple[Place, str]]:
    yield from _shadowing(document)
    known = input_kinds(document)
    for name, declared in document.variables.items():
        if isinstance(declared.value, str):
            wrong = text_flaws(declared.value, known)
            for flaw in wrong:
                yield ("variables", name), flaw
            # with a variable in it, only a run can say whether it makes a name
            if declared.kind == "identifier" and not wrong and "{" not in declared.value:
                yield from ((("variables", name), flaw) for flaw in _not_a_name(declared.value))
        elif declared.kind == "identifier":
            yield ("variables", name), "an identifier is a text"
        # only now: a variable is made of those before it, so none waits for itself
        known[name] = declared.kind


def _shadowing(document: Pipeline) -> Iterator[tuple[Place, str]]:
    for name in document.inputs:
        # a platform pipeline runs before there is a tenant: onboarding is told the slug
        if name in BUILT_IN and not (name == "org_slug" and document.scope == "platform"):
            yield ("inputs", name), f"{name!r} is given by every run ({BUILT_IN[name]}); choose another name"
    for name in document.variables:
        if name in BUILT_IN or name in document.inputs:
            what = "given by every run" if name in BUILT_IN else "an input already"
            yield ("variables", name), f"{name!r} is {what}; choose another name"


def _not_a_name(text: str) -> list[str]:
    try:
        Identifier(text)
    except Fault as wrong:
        return [wrong.detail]
    return []


def _texts(value: Any, at: Place, *, sql: bool) -> Iterator[tuple[Place, str, bool]]:
    if isinstance(value, str):
        yield at, value, sql
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*at, key), sql=_is_sql(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*at, index), sql=sql)


def _is_sql(key: object) -> bool:
    return isinstance(key, str) and SQL_KEY.fullmatch(key) is not None
