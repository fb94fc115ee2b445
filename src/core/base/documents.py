"""YAML documents checked against a model; what is wrong is said with file, line and, for a misspelt key, the right one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, cast, get_args, get_origin

import yaml
from pydantic import AliasChoices, BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import did_you_mean

Place = tuple[str | int, ...]
M = TypeVar("M", bound="Document")

# Far deeper than any document is; the loader recurses, and a hostile file must not reach its limit.
MAX_DEPTH = 40
READ = 256
TEXT_KEY = "tag:yaml.org,2002:str"
NOT_AS_WRITTEN, UNKNOWN_KEY = "not_as_written", "extra_forbidden"
LINE_BY_LINE = "|"  # every other way of writing a text folds its lines


class Document(BaseModel):
    """The base of every model read from YAML: unknown keys are refused, and a text is never read as a number or a truth value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: object, info: ValidationInfo) -> object:
        # by itself pydantic takes "7" for 7 and 1 for true
        kinds = set(_members(cls.model_fields[str(info.field_name)].annotation))
        if kinds and kinds <= {bool, int, float}:
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, str | bool | float | int) and type(item) not in kinds and not (type(item) is int and float in kinds):
                    mend = "; write it without quotes" if isinstance(item, str) else ""
                    raise PydanticCustomError(NOT_AS_WRITTEN, "{told}", {"told": f"{item!r} is not {_kind(kinds)}{mend}"})
        return value


def _kind(kinds: set[object]) -> str:
    return "true or false" if kinds == {bool} else "a whole number" if kinds == {int} else "a number"


@dataclass(frozen=True, slots=True)
class Located(Generic[M]):
    """A document together with where each of its parts stands."""

    document: M
    shown: str
    lines: Mapping[Place, int]
    texts: Mapping[Place, int]
    """The first line of each text that is written line by line, below its key."""

    def flaw(self, message: str, *at: str | int, line_of_text: int | None = None) -> Flaw:
        line = _line(at, self.lines)
        if line_of_text is not None and at in self.texts:
            line = self.texts[at] + line_of_text - 1
        return Flaw(message, dotted(at) or None, self.shown, line)

    def where(self, *at: str | int) -> str:
        """As another flaw names this place."""
        return f"{self.shown}:{_line(at, self.lines)}"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A place at which a value is not what its model asks for."""

    at: Place
    message: str
    kind: str

    @property
    def of_any_text(self) -> bool:
        """Whether no text would fit there, whatever it says."""
        return self.kind in (NOT_AS_WRITTEN, UNKNOWN_KEY) or self.kind.endswith("_type")


def misfits(value: object, model: type[BaseModel], context: object = None) -> list[Misfit]:
    try:
        model.model_validate(value, context=context)
    except ValidationError as wrong:
        return _misfits(wrong, model)
    return []


def read_document(path: Path, model: type[M], shown_as: str | None = None) -> M:
    return read_located(path, model, shown_as).document


def read_located(path: Path, model: type[M], shown_as: str | None = None) -> Located[M]:
    shown = shown_as or str(path)
    return locate_document(read_text(path, shown), model, shown)


def parse_document(text: str, model: type[M], shown: str) -> M:
    return locate_document(text, model, shown).document


def read_text(path: Path, shown: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as missing:
        raise Misconfigured("a configuration file is missing", flaws=[Flaw("not found", file=shown)]) from missing
    except UnicodeDecodeError as wrong:
        raise Misconfigured("a configuration file is not text", flaws=[Flaw("not UTF-8", file=shown)]) from wrong
    except OSError as wrong:
        reason = wrong.strerror or type(wrong).__name__
        raise Misconfigured("a configuration file cannot be read", flaws=[Flaw(reason, file=shown)]) from wrong


def locate_document(text: str, model: type[M], shown: str) -> Located[M]:
    """What several read at a start is judged once."""
    return cast("Located[M]", _located(text, model, shown))


@lru_cache(maxsize=READ)
def _located(text: str, model: type[Document], shown: str) -> Located[Any]:
    root, data = _load(text, shown)
    # of a text without any content the first line stands for all of it
    lines: dict[Place, int] = {} if root is not None else {(): 1}
    texts: dict[Place, int] = {}
    flaws = [Flaw(message, dotted(at), shown, line) for message, at, line in _walk(root, (), lines, texts)] if root is not None else []
    if flaws:
        raise Misconfigured("a document is wrong", flaws=flaws)
    try:
        return Located(model.model_validate(data if data is not None else {}), shown, lines, texts)
    except ValidationError as wrong:
        flaws = [Flaw(one.message, dotted(one.at) or None, shown, _line(one.at, lines)) for one in _misfits(wrong, model)]
        raise Misconfigured("a document is wrong", flaws=flaws) from None


def _load(text: str, shown: str) -> tuple[yaml.Node | None, object]:
    """The tree and its plain values. Aliases and tags are refused: a few bytes of them can stand for gigabytes, or for other types."""
    try:
        found = _unserved(text)
        if found:
            raise Misconfigured("a document is not plain YAML", flaws=[Flaw(found[0], file=shown, line=found[1])])
        loader = yaml.CSafeLoader(text)
        try:
            root = loader.get_single_node()
            return root, _values(loader, root, shown)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        flaw = Flaw(wrong.problem or "unreadable", file=shown, line=mark.line + 1 if mark else None)
        raise Misconfigured("a document is not YAML", flaws=[flaw]) from wrong
    except (yaml.YAMLError, UnicodeEncodeError) as wrong:
        reason = wrong.reason if isinstance(wrong, UnicodeEncodeError) else str(wrong).splitlines()[0]
        raise Misconfigured("a document is not YAML", flaws=[Flaw(reason, file=shown)]) from wrong


def _unserved(text: str) -> tuple[str, int] | None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            return f"aliases are not read here; write out what *{event.anchor} stands for", line
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            return f"tags are not read here; leave out {event.tag!r}", line
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH}", line
    return None


def _values(loader: yaml.CSafeLoader, root: yaml.Node | None, shown: str) -> object:
    if root is None:
        return None
    # one by one, for an error of the whole document does not say its line
    for scalar in _scalars(root):
        try:
            loader.construct_object(scalar)
        except (ValueError, OverflowError) as wrong:
            flaw = Flaw(f"{scalar.value[:60]!r} is not a value; put it in quotes", file=shown, line=scalar.start_mark.line + 1)
            raise Misconfigured("a document is not YAML", flaws=[flaw]) from wrong
    value: object = loader.construct_document(root)
    return value


def _scalars(node: yaml.Node) -> Sequence[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        return [node]
    if isinstance(node, yaml.MappingNode):
        return [scalar for pair in node.value for part in pair for scalar in _scalars(part)]
    return [scalar for part in node.value for scalar in _scalars(part)]


def _walk(node: yaml.Node, at: Place, lines: dict[Place, int], texts: dict[Place, int]) -> list[tuple[str, Place, int]]:
    # where a key has told its own line, that one stands: its value may begin below it
    lines.setdefault(at, node.start_mark.line + 1)
    wrong: list[tuple[str, Place, int]] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            # YAML reads `on` and `no` as truth values, and digits as a number
            if key.tag != TEXT_KEY:
                wrong.append(("a key that YAML does not read as text; put it in quotes", (*at, str(key.value)[:60]), line))
                continue
            here = (*at, key.value)
            if key.value in seen:
                wrong.append(("this key stands twice", here, line))
            seen.add(key.value)
            lines[here] = line
            wrong += _walk(value, here, lines, texts)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            wrong += _walk(value, (*at, index), lines, texts)
    elif isinstance(node, yaml.ScalarNode) and node.style == LINE_BY_LINE:
        texts[at] = node.start_mark.line + 2
    return wrong


def _misfits(wrong: ValidationError, model: type[BaseModel]) -> list[Misfit]:
    return [_misfit(dict(error), model) for error in wrong.errors(include_url=False)]


def _misfit(error: dict[str, Any], model: type[BaseModel]) -> Misfit:
    at: Place = tuple(error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == UNKNOWN_KEY:
        known = keys_at(model, at[:-1])
        message = f"unknown key {at[-1]!r}{did_you_mean(str(at[-1]), known)}"
        if known and "did you mean" not in message:
            message += f"; known here: {', '.join(sorted(known))}"
    elif error["type"] == "missing":
        message = f"the key {at[-1]!r} is needed here"
    elif error["type"] in ("model_type", "dict_type", "model_attributes_type"):
        message = "a mapping (key: value) is needed here"
    return Misfit(at, message, error["type"])


def _line(at: Place, lines: Mapping[Place, int]) -> int | None:
    return next((lines[at[:depth]] for depth in range(len(at), -1, -1) if at[:depth] in lines), None)


def keys_at(model: type[BaseModel], at: Place) -> list[str]:
    """The keys a model takes at a place, following nested models, lists and mappings."""
    candidates: list[object] = [model]
    for part in at:
        candidates = [inner for candidate in candidates for inner in _descend(candidate, part)]
    return [
        said
        for kind in candidates
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        for name, info in kind.model_fields.items()
        for said in names_of(name, info)
    ]


def names_of(name: str, info: FieldInfo) -> list[str]:
    """Under which a field is taken."""
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [alias] if isinstance(alias, str) else [name]


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


def dotted(at: Place) -> str:
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
