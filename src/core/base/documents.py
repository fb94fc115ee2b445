"""YAML documents checked against a model; what is wrong is said with file, line and, for a misspelt key, the right one."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import did_you_mean

Place = tuple[str | int, ...]
M = TypeVar("M", bound="Document")


class Document(BaseModel):
    """The base of every model read from YAML: unknown keys are refused, values are not coerced silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_document(path: Path, model: type[M], shown_as: str | None = None) -> M:
    shown = shown_as or str(path)
    try:
        text = path.read_text()
    except FileNotFoundError as missing:
        raise Misconfigured("a configuration file is missing", flaws=[Flaw("not found", file=shown)]) from missing
    return parse_document(text, model, shown)


def parse_document(text: str, model: type[M], shown: str) -> M:
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        data = yaml.load(text, Loader=yaml.CSafeLoader)  # CSafeLoader builds plain values only
    except yaml.MarkedYAMLError as wrong:
        line = wrong.problem_mark.line + 1 if wrong.problem_mark else None
        raise Misconfigured("a document is not YAML", flaws=[Flaw(wrong.problem or "unreadable", file=shown, line=line)]) from wrong
    except yaml.YAMLError as wrong:
        raise Misconfigured("a document is not YAML", flaws=[Flaw(str(wrong), file=shown)]) from wrong
    lines: dict[Place, int] = {}
    doubled = _walk(root, (), lines) if root is not None else []
    if doubled:
        raise Misconfigured(
            "a document says a thing twice", flaws=[Flaw("this key stands twice", _dotted(at), shown, line) for at, line in doubled]
        )
    try:
        return model.model_validate(data if data is not None else {})
    except ValidationError as wrong:
        flaws = [_flaw(dict(error), lines, model, shown) for error in wrong.errors(include_url=False)]
        raise Misconfigured("a document is wrong", flaws=flaws) from None


def _walk(node: yaml.Node, at: Place, lines: dict[Place, int]) -> list[tuple[Place, int]]:
    lines.setdefault(at, node.start_mark.line + 1)
    doubled: list[tuple[Place, int]] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = (*at, str(key.value))
            if key.value in seen:
                doubled.append((here, key.start_mark.line + 1))
            seen.add(key.value)
            lines[here] = key.start_mark.line + 1
            doubled += _walk(value, here, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            doubled += _walk(value, (*at, index), lines)
    return doubled


def _flaw(error: dict[str, Any], lines: dict[Place, int], model: type[BaseModel], shown: str) -> Flaw:
    at: Place = tuple(error["loc"])
    line = next((lines[at[:depth]] for depth in range(len(at), -1, -1) if at[:depth] in lines), None)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = _keys_at(model, at[:-1])
        message = f"unknown key {at[-1]!r}{did_you_mean(str(at[-1]), known)}"
        if known and "did you mean" not in message:
            message += f"; known here: {', '.join(sorted(known))}"
    elif error["type"] == "missing":
        message = f"the key {at[-1]!r} is needed here"
    return Flaw(message, _dotted(at) or None, shown, line)


def _keys_at(model: type[BaseModel], at: Place) -> list[str]:
    """The keys a model takes at a place, following nested models, lists and mappings."""
    candidates: list[object] = [model]
    for part in at:
        candidates = [inner for candidate in candidates for inner in _descend(candidate, part)]
    return [
        info.alias or name
        for kind in candidates
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        for name, info in kind.model_fields.items()
    ]


def _descend(kind: object, part: str | int) -> list[object]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, info in kind.model_fields.items():
            if part in (name, info.alias):
                return _members(info.annotation)
        # a discriminated union puts its tag into the place; the model stays the same
        return [kind]
    return [kind]


def _members(annotation: object) -> list[object]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [member for arg in get_args(annotation) if arg is not NoneType for member in _members(arg)]
    if origin is None:
        return [annotation]
    return [member for arg in get_args(annotation)[-1:] if arg is not ... for member in _members(arg)] or _tuple_members(annotation)


def _tuple_members(annotation: object) -> list[object]:
    return [member for arg in get_args(annotation)[:1] for member in _members(arg)]


def _dotted(at: Place) -> str:
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
